{{/* What all charts of the release share. A chart's name is its component: rabbitmq, order, email, … */}}

{{- define "warren.fullname" -}}
{{ .Release.Name }}-{{ .Chart.Name }}
{{- end }}

{{/* What selects the pods of a component, for ever: a Deployment's selector cannot change. */}}
{{- define "warren.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "warren.podLabels" -}}
{{ include "warren.selector" . }}
app.kubernetes.io/part-of: warren
{{- end }}

{{- define "warren.labels" -}}
{{ include "warren.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Any pod of the release, as the peer of a network policy. */}}
{{- define "warren.peers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name }}
      app.kubernetes.io/part-of: warren
{{- end }}

{{/* The image of one of our own programs: (list root "order") */}}
{{- define "warren.image" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}{{ $image := $root.Values.global.image }}
{{- with $image.registry }}{{ . }}/{{ end }}warren-{{ $program }}
{{- with get $image.digests $program }}@{{ . }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The image of somebody else's program: {repository, tag, digest} */}}
{{- define "warren.foreignImage" -}}
{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Pod Security "restricted", for the container. */}}
{{- define "warren.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Pod Security "restricted", for the pod, as this user. */}}
{{- define "warren.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What every pod says of itself and of where it may run. */}}
{{- define "warren.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Away from one another, first over zones, then over nodes. */}}
{{- define "warren.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "warren.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{/* A digest of Secrets that exist before the chart does: (list root (list name …)). Empty where nothing can be looked up. */}}
{{- define "warren.secretsChecksum" -}}
{{- $root := index . 0 }}{{ $all := list }}
{{- range compact (index . 1) }}
  {{- with lookup "v1" "Secret" $root.Release.Namespace . }}{{ $all = append $all .data }}{{ end }}
{{- end }}
{{- if $all }}{{ $all | toJson | sha256sum }}{{ end }}
{{- end }}
