{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mattermost
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The pods that the gateway runs in. */}}
{{- define "gateway.podLabels" -}}
{{- if eq .Values.pattern "sidecar" -}}
{{- toYaml .Values.sidecar.podLabels -}}
{{- else -}}
{{- include "gateway.selectorLabels" . -}}
{{- end -}}
{{- end -}}

{{- define "gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gateway.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The port in HOST:PORT. */}}
{{- define "gateway.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{/* Whole seconds of a duration such as 500ms, 30s, 5m or 1h. */}}
{{- define "gateway.seconds" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- $scale := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) (default "s" $unit) -}}
{{- mulf $number $scale | ceil | int -}}
{{- end -}}

{{/* Of a size such as 512KiB, 25MiB or 2GiB. */}}
{{- define "gateway.bytes" -}}
{{- $text := toString . -}}
{{- $scale := get (dict "B" 1 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824) (default "B" (regexFind "[KMG]iB$" $text)) -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) $scale | int64 -}}
{{- end -}}

{{- define "gateway.gracePeriod" -}}
{{- $needed := add (include "gateway.seconds" .Values.settings.shutdownTimeout | int) (int .Values.preStopSleepSeconds) -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds has to be longer than settings.shutdownTimeout and preStopSleepSeconds together (%d)" $needed) -}}
{{- end -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- else -}}
{{- add $needed 25 -}}
{{- end -}}
{{- end -}}

{{/* The settings as given, and those that follow from other values; in YAML. */}}
{{- define "gateway.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if .Values.valkey.enabled -}}
{{- $_ := unset $settings "ledgerUrl" -}}
{{- end -}}
{{- if .Values.clamav.enabled -}}
{{- $_ := set $settings "scannerUrl" (printf "tcp://%s-clamav:3310" (include "gateway.fullname" .)) -}}
{{- end -}}
{{- if include "gateway.hasPolicy" . -}}
{{- $_ := set $settings "policyFile" "/etc/mattermost-upload-gateway/policy/policy.toml" -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{- define "gateway.hasPolicy" -}}
{{- if or .Values.policy .Values.existingPolicyConfigMap -}}yes{{- end -}}
{{- end -}}

{{/* What would only be found out in the cluster, and what would be wrong without anybody finding out. */}}
{{- define "gateway.check" -}}
{{- if not .Values.settings.upstreamUrl -}}
{{- fail "settings.upstreamUrl is required: Mattermost's address, for example http://mattermost:8065" -}}
{{- end -}}
{{- if and (include "gateway.hasPolicy" .) .Values.settings.policyFile -}}
{{- fail "policy and existingPolicyConfigMap set the policy file; leave settings.policyFile out" -}}
{{- end -}}
{{- if .Values.valkey.enabled -}}
{{- if not .Values.valkey.existingSecret -}}
{{- fail "valkey.existingSecret is required: a Secret with a password of letters and digits under the key password" -}}
{{- end -}}
{{- if not (hasPrefix "sqlite" (default "sqlite" .Values.settings.ledgerUrl)) -}}
{{- fail "valkey.enabled sets the ledger; leave settings.ledgerUrl out" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.clamav.enabled .Values.settings.scannerUrl -}}
{{- fail "clamav.enabled sets the scanner; leave settings.scannerUrl out" -}}
{{- end -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and (eq .Values.pattern "proxy") $several -}}
{{- if and (hasPrefix "sqlite" (default "" .Values.settings.ledgerUrl)) (not (or .Values.valkey.enabled .Values.ledgerPerPod)) -}}
{{- fail "several replicas would each count quotas for themselves in an SQLite ledger of their own; say valkey.enabled=true, or set settings.ledgerUrl to a Redis, or say ledgerPerPod=true if that is meant" -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- fail "several replicas cannot share the volume of one; say persistence.enabled=false" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is required: the Gateway that has the listener" -}}
{{- end -}}
{{- end -}}

{{/* The container, for the pod of the chart's own or for Mattermost's. */}}
{{- define "gateway.container" -}}
name: upload-gateway
image: {{ include "gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - configMapRef:
      name: {{ include "gateway.fullname" . }}
  {{- with .Values.existingSecret }}
  - secretRef:
      name: {{ . }}
  {{- end }}
{{- if or .Values.valkey.enabled .Values.extraEnv }}
env:
  {{- if .Values.valkey.enabled }}
  {{- include "gateway.valkeyPassword" . | nindent 2 }}
  - name: GATEWAY_LEDGER_URL
    value: redis://:$(VALKEY_PASSWORD)@{{ include "gateway.fullname" . }}-valkey:6379/0
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  - name: uploads
    containerPort: {{ include "gateway.port" .Values.settings.listen }}
  - name: uploads-admin
    containerPort: {{ include "gateway.port" .Values.settings.adminListen }}
startupProbe:
  httpGet: { path: /healthz, port: uploads-admin }
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /healthz, port: uploads-admin }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: uploads-admin }
  periodSeconds: 5
  timeoutSeconds: 5
{{- if .Values.preStopSleepSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ int .Values.preStopSleepSeconds }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: uploads-state
    mountPath: /var/lib/mattermost-upload-gateway
  - name: uploads-tmp
    mountPath: /tmp
  {{- if include "gateway.hasPolicy" . }}
  - name: uploads-policy
    mountPath: /etc/mattermost-upload-gateway/policy
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "gateway.volumes" -}}
- name: uploads-state
  {{- if and .Values.persistence.enabled (eq .Values.pattern "proxy") }}
  persistentVolumeClaim:
    claimName: {{ default (include "gateway.fullname" .) .Values.persistence.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.emptyDir.sizeLimit }}
  {{- end }}
- name: uploads-tmp
  emptyDir:
    sizeLimit: {{ .Values.emptyDir.sizeLimit }}
{{- if include "gateway.hasPolicy" . }}
- name: uploads-policy
  configMap:
    name: {{ default (printf "%s-policy" (include "gateway.fullname" .)) .Values.existingPolicyConfigMap }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What may carry a file, as prefixes: wider than the guard table, as an Ingress can say it. */}}
{{- define "gateway.uploadPrefixes" -}}
{{- list "/api/v4/files" "/api/v4/uploads" "/api/v4/license" "/api/v4/saml" "/api/v4/ldap" "/api/v4/audit_logs" "/api/v4/brand" "/api/v4/plugins" "/api/v4/emoji" "/api/v4/users" "/api/v4/teams" "/api/v4/bots" "/api/v4/remotecluster" "/plugins" "/hooks" | toJson -}}
{{- end -}}
