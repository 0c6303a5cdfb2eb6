{{/* Name of the Secret and the key in it that a program's way to the broker is in: (list root user), as YAML. */}}
{{- define "service.brokerKey" -}}
{{- $root := index . 0 }}{{ $user := index . 1 }}
{{- with $root.Values.global }}
{{- if .broker.existingSecret }}
name: {{ .broker.existingSecret | quote }}
key: {{ ternary $user "url" .broker.keyPerService }}
{{- else }}
name: {{ .rabbitmq.auth.existingSecret | default (printf "%s-rabbitmq" $root.Release.Name) | quote }}
key: {{ $user }}-password
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret whose ca.crt vouches for the broker. */}}
{{- define "service.caSecret" -}}
{{- with .Values.global }}{{ ternary .broker.caSecret .rabbitmq.tls.existingSecret (ne .broker.existingSecret "") }}{{ end }}
{{- end }}

{{/* How a program reaches the broker as this user: (list root user) */}}
{{- define "service.brokerEnv" -}}
{{- $root := index . 0 }}{{ $user := index . 1 }}
{{- $tls := ne $root.Values.global.rabbitmq.tls.existingSecret "" }}
{{- if not $root.Values.global.broker.existingSecret }}
- name: AMQP_PASSWORD
  valueFrom:
    secretKeyRef:
      {{- include "service.brokerKey" (list $root $user) | nindent 6 }}
- name: AMQP_URL
  value: {{ ternary "amqps" "amqp" $tls }}://{{ $user }}:$(AMQP_PASSWORD)@{{ $root.Release.Name }}-rabbitmq:{{ ternary 5671 5672 $tls }}/%2f
{{- else }}
- name: AMQP_URL
  valueFrom:
    secretKeyRef:
      {{- include "service.brokerKey" (list $root $user) | nindent 6 }}
{{- end }}
{{- if include "service.caSecret" $root }}
- name: AMQP_CA_FILE
  value: /etc/amqp/ca.crt
{{- end }}
{{- end }}

{{/* The queues that have to hold an order before it is accepted: queue:key+key,… of every enabled consumer. */}}
{{- define "service.requiredQueues" -}}
{{- $queues := list }}
{{- range .Values.global.warrenServices }}
  {{- if .queue }}{{ $queues = append $queues (printf "%s:%s" .queue (join "+" .keys)) }}{{ end }}
{{- end }}
{{- join "," $queues }}
{{- end }}

{{/* The variables of the service, and then of those that the release gives to all. */}}
{{- define "service.settings" -}}
{{- $settings := dict "SHUTDOWN_TIMEOUT" (printf "%ds" (sub (int64 .Values.terminationGracePeriodSeconds) 5)) }}
{{- $required := include "service.requiredQueues" . }}
{{- if and .Values.messaging.publishes $required }}{{ $_ := set $settings "REQUIRED_QUEUES" $required }}{{ end }}
{{- $settings = merge $settings (include "service.authorityFiles" (list . true) | fromJson) }}
{{- range $name, $value := mergeOverwrite $settings (deepCopy .Values.global.settings) (deepCopy .Values.settings) }}
- name: {{ $name }}
  value: {{ include "warren.literal" $value }}
{{- end }}
{{- end }}

{{/* Who vouches for whom, as {volume: {secret, variable, folder}}, the broker first: (list root whether-it-mails) */}}
{{- define "service.authorities" -}}
{{- $root := index . 0 }}{{ $all := dict }}
{{- with include "service.caSecret" $root }}
  {{- $_ := set $all "amqp-ca" (dict "secret" . "folder" "/etc/amqp") }}
{{- end }}
{{- with $root.Values.global.otlpCaSecret }}
  {{- $_ := set $all "otlp-ca" (dict "secret" . "folder" "/etc/otlp" "variable" "OTEL_EXPORTER_OTLP_CERTIFICATE") }}
{{- end }}
{{- if index . 1 }}
{{- with $root.Values.smtpCaSecret }}
  {{- $_ := set $all "smtp-ca" (dict "secret" . "folder" "/etc/smtp" "variable" "SMTP_CA_FILE") }}
{{- end }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/* The variables that name their files: (list root whether-it-mails), as JSON. */}}
{{- define "service.authorityFiles" -}}
{{- $files := dict }}
{{- range include "service.authorities" . | fromJson }}
  {{- if .variable }}{{ $_ := set $files .variable (printf "%s/ca.crt" .folder) }}{{ end }}
{{- end }}
{{- toJson $files }}
{{- end }}

{{/* Mounts the authorities, and nothing else of their Secrets, and what the values add: (list root whether-it-mails) */}}
{{- define "service.mounts" -}}
{{- $authorities := include "service.authorities" . | fromJson }}{{ $more := (index . 0).Values.extraVolumeMounts }}
{{- if or $authorities $more }}
volumeMounts:
  {{- range $volume, $authority := $authorities }}
  - name: {{ $volume }}
    mountPath: {{ $authority.folder }}
    readOnly: true
  {{- end }}
  {{- with $more }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "service.volumes" -}}
{{- $authorities := include "service.authorities" . | fromJson }}{{ $more := (index . 0).Values.extraVolumes }}
{{- if or $authorities $more }}
volumes:
  {{- range $volume, $authority := $authorities }}
  - name: {{ $volume }}
    secret:
      secretName: {{ $authority.secret | quote }}
      items: [{key: ca.crt, path: ca.crt}]
  {{- end }}
  {{- with $more }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What makes pods roll although their own text is the same. */}}
{{- define "service.podAnnotations" -}}
warren/credentials-revision: {{ include "warren.text" .Values.global.rabbitmq.auth.revision }}
{{- /* What the chart generates changes with that revision; only what others keep has to be looked up. */}}
{{- $broker := .Values.global.broker.existingSecret | default .Values.global.rabbitmq.auth.existingSecret }}
{{- with include "warren.secretsChecksum" (list . (list .Values.existingSecret $broker (include "service.caSecret" .) .Values.smtpCaSecret .Values.global.otlpCaSecret)) }}
checksum/secrets: {{ . }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where a service may go: to names, the chart's broker, and what its values say. */}}
{{- define "service.egress" -}}
{{ include "warren.dnsRule" . }}
{{- if not .Values.global.broker.existingSecret }}
- ports: [{port: 5672}, {port: 5671}]
  to:
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: rabbitmq
          app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
{{- with .Values.networkPolicy.egress.rules }}
{{ toYaml . }}
{{- end }}
{{- end }}
