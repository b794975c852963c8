{{/* What the servers beside the gateway have in common, Valkey and ClamAV: (list $ "valkey"). */}}
{{- define "gateway.serverSelectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ printf "%s-%s" (default $root.Chart.Name $root.Values.nameOverride) (index . 1) }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end -}}

{{- define "gateway.serverLabels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{ include "gateway.serverSelectorLabels" . }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: mattermost
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{/* Nobody but the gateway needs them; of ClamAV, the world outside has the signatures. */}}
{{- define "gateway.serverNetworkPolicy" -}}
{{- $root := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "gateway.fullname" $root }}-{{ index . 1 }}
  labels:
    {{- include "gateway.serverLabels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "gateway.serverSelectorLabels" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              {{- include "gateway.podLabels" $root | nindent 14 }}
{{- end -}}

{{- define "gateway.serverPodSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "gateway.valkeyPassword" -}}
- name: VALKEY_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.valkey.existingSecret }}
      key: password
{{- end -}}

{{/* A program of the image, with the configuration of its name: (list $ "clamd" ARGUMENT…). */}}
{{- define "gateway.clamavContainer" -}}
{{- $root := index . 0 -}}
image: {{ $root.Values.clamav.image | quote }}
command:
  - {{ index . 1 }}
  - --config-file=/etc/upload-gateway-clamav/{{ index . 1 }}.conf
  {{- range slice . 2 }}
  - {{ . }}
  {{- end }}
securityContext:
  {{- toYaml $root.Values.securityContext | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/upload-gateway-clamav
    readOnly: true
  - name: signatures
    mountPath: /var/lib/clamav
  - name: tmp
    mountPath: /tmp
{{- end -}}
