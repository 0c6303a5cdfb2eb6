{{/* The labels of a program: (list root "grafana") */}}
{{- define "monitoring.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "monitoring.podLabels" -}}
{{ include "monitoring.selector" . }}
app.kubernetes.io/part-of: warren
{{- end }}

{{- define "monitoring.labels" -}}
{{- $root := index . 0 }}
{{- include "monitoring.podLabels" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The alerts of this release: of what all services show, of each that publishes or consumes, and of the broker, whosever it is. */}}
{{- define "monitoring.rules" -}}
{{- $root := . }}{{ $texts := list (.Files.Get "rules/services.yaml") }}
{{- range $name, $service := .Values.global.services }}
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
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "monitoring.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "monitoring.labels" . | nindent 4 }}
spec:
  type: {{ $values.service.type }}
  selector:
    {{- include "monitoring.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ $port }}
      targetPort: http
      {{- with $values.service.nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- with $root.Values.networkPolicy }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "monitoring.labels" (list $root $program) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "monitoring.selector" (list $root $program) | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports: [{port: http}]
      from:
        {{- include "warren.peers" $root | nindent 8 }}
        {{- with .from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
{{- end }}
{{- end }}
