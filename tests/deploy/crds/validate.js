// Manifests as a list in JSON on standard input; what is wrong with each, one a line, on standard output.
import { readFileSync } from "node:fs";
import * as gateways from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import * as monitoring from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const kinds = {
  "gateway.networking.k8s.io/v1": gateways,
  "monitoring.coreos.com/v1": monitoring,
};

for (const manifest of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[manifest.apiVersion][manifest.kind](manifest).validate();
  } catch (error) {
    console.log(`${manifest.kind} ${manifest.metadata.name}: ${error.message}`);
  }
}
