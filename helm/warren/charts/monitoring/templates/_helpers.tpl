{{/* The labels of a program: (list root "grafana") */}}
{{- define "monitoring.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
{{- end }}

{{- define "monitoring.podLabels" -}}
{{ include "monitoring.selector" . }}
app.kubernetes.io/part-of: warren
{{- include "warren.givenLabels" (list (index . 0) (index . 0).Values.podLabels) }}
{{- end }}

{{/* The labels of an object, with more that the values give: (list root "grafana" more) */}}
{{- define "monitoring.labels" -}}
{{- $root := index . 0 }}
{{- include "monitoring.selector" . }}
app.kubernetes.io/part-of: warren
app.kubernetes.io/managed-by: {{ $root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | quote }}
{{- $more := dict }}{{ if gt (len .) 2 }}{{ $more = index . 2 }}{{ end }}
{{- include "warren.givenLabels" (list $root $more) }}
{{- end }}

{{/* The alerts of this release: of what all services show, of each that publishes or consumes, and of the broker, whosever it is. */}}
{{- define "monitoring.rules" -}}
{{- $root := . }}{{ $texts := list (.Files.Get "rules/services.yaml") }}
{{- range $name, $service := .Values.global.warrenServices }}
  {{- if $service.publishes }}
    {{- $texts = append $texts ($root.Files.Get "rules/publisher.yaml" | replace "$SERVICE" $name) }}
  {{- end }}
  {{- if $service.queue }}
    {{- $texts = append $texts ($root.Files.Get "rules/consumer.yaml" | replace "$SERVICE" $name | replace "$QUEUE" $service.queue) }}
  {{- end }}
{{- end }}
{{- $texts = append $texts (.Files.Get (ternary "rules/own-broker.yaml" "rules/rabbitmq.yaml" (not (empty .Values.global.broker.existingSecret)))) }}
{{- $rules := join "\n" $texts | replace "$NAMESPACE" .Release.Namespace | replace "$RELEASE" .Release.Name }}
{{- if .Values.rules.runbookUrl }}
{{- $rules | replace "$RUNBOOKS" .Values.rules.runbookUrl }}
{{- else }}
{{- regexReplaceAll "runbook_url: \\$RUNBOOKS#(.+)" $rules "runbook: RUNBOOK.md of the chart, section ${1}" }}
{{- end }}
{{- end }}

{{/* What Prometheus and Grafana are alike in: a Service, an account and a policy. (list root "grafana" port) */}}
{{- define "monitoring.surroundings" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}{{ $port := index . 2 }}
{{- $name := printf "%s-%s" $root.Release.Name $program }}
{{- $values := get $root.Values $program }}
{{- if $values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "warren.serviceAccount" (list $values $name) | quote }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "monitoring.labels" (list $root $program) | nindent 4 }}
  {{- with $values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
---
{{- end }}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "monitoring.labels" (list $root $program) | nindent 4 }}
  {{- with $values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "warren.serviceType" (list $root (printf "monitoring.%s.service" $program) $values.service) | trim | nindent 2 }}
  selector:
    {{- include "monitoring.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ $port }}
      targetPort: http
      appProtocol: http
      {{- with $values.service.nodePort }}
      nodePort: {{ int64 . }}
      {{- end }}
{{- with $root.Values.networkPolicy }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "monitoring.labels" (list $root $program) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "monitoring.selector" (list $root $program) | nindent 6 }}
  policyTypes: [Ingress{{ if .egress.enabled }}, Egress{{ end }}]
  ingress:
    - ports: [{port: http}]
      from:
        {{- include "warren.peers" $root | nindent 8 }}
        {{- include "warren.rangePeers" $values.service.loadBalancerSourceRanges | nindent 8 }}
        {{- with .from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  {{- if .egress.enabled }}
  egress:
    {{- include "warren.dnsRule" $root | nindent 4 }}
    # Prometheus reads what services (9090) and nodes (15692) show, and Grafana asks Prometheus.
    - ports: [{port: 9090}, {port: 15692}]
      to:
        {{- include "warren.peers" $root | nindent 8 }}
    {{- with .egress.rules }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A dashboard of this release: its uid is its own, as two releases may be shown by one Grafana. (list root path) */}}
{{- define "monitoring.dashboard" -}}
{{- $root := index . 0 }}
{{- $board := $root.Files.Get (index . 1) | fromJson }}
{{- $release := printf "%s/%s" $root.Release.Namespace $root.Release.Name }}
{{- $_ := set $board "uid" (printf "%s-%s" $board.uid (sha256sum $release | trunc 12)) }}
{{- $_ := set $board "title" (printf "%s (%s)" $board.title $release) }}
{{- toPrettyJson $board }}
{{- end }}

{{/* The name of a dashboard's file, its own too: the folder that a sidecar fills is one for all. (list root path) */}}
{{- define "monitoring.dashboardFile" -}}
{{ (index . 0).Release.Namespace }}.{{ (index . 0).Release.Name }}.{{ base (index . 1) }}
{{- end }}
