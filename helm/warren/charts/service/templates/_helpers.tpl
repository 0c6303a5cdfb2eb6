{{/* Name of the Secret and the key in it that a program's way to the broker is in: (list root user), as YAML. */}}
{{- define "service.brokerKey" -}}
{{- $root := index . 0 }}{{ $user := index . 1 }}
{{- with $root.Values.global }}
{{- if .broker.existingSecret }}
name: {{ .broker.existingSecret }}
key: {{ ternary $user "url" .broker.keyPerService }}
{{- else }}
name: {{ .rabbitmq.auth.existingSecret | default (printf "%s-rabbitmq" $root.Release.Name) }}
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
{{- range .Values.global.services }}
  {{- if .queue }}{{ $queues = append $queues (printf "%s:%s" .queue (join "+" .keys)) }}{{ end }}
{{- end }}
{{- join "," $queues }}
{{- end }}

{{/* The variables of the service, and then of those that the release gives to all. */}}
{{- define "service.settings" -}}
{{- $settings := dict "SHUTDOWN_TIMEOUT" (printf "%ds" (sub .Values.terminationGracePeriodSeconds 5)) }}
{{- $required := include "service.requiredQueues" . }}
{{- if and .Values.messaging.publishes $required }}{{ $_ := set $settings "REQUIRED_QUEUES" $required }}{{ end }}
{{- range $name, $value := mergeOverwrite $settings (deepCopy .Values.global.settings) (deepCopy .Values.settings) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Mounts the authority that vouches for the broker, and nothing else of its Secret. */}}
{{- define "service.caMount" -}}
{{- if include "service.caSecret" . }}
volumeMounts:
  - name: amqp-ca
    mountPath: /etc/amqp
    readOnly: true
{{- end }}
{{- end }}

{{- define "service.caVolume" -}}
{{- with include "service.caSecret" . }}
volumes:
  - name: amqp-ca
    secret:
      secretName: {{ . }}
      items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{/* What makes pods roll although their own text is the same. */}}
{{- define "service.podAnnotations" -}}
warren/credentials-revision: {{ .Values.global.rabbitmq.auth.revision | quote }}
{{- /* What the chart generates changes with that revision; only what others keep has to be looked up. */}}
{{- $broker := .Values.global.broker.existingSecret | default .Values.global.rabbitmq.auth.existingSecret }}
{{- with include "warren.secretsChecksum" (list . (list .Values.existingSecret $broker (include "service.caSecret" .))) }}
checksum/secrets: {{ . }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
