{{- define "rabbitmq.secretName" -}}
{{ .Values.global.rabbitmq.auth.existingSecret | default (include "warren.fullname" .) }}
{{- end }}

{{/* Everybody who logs in, in alphabetical order. */}}
{{- define "rabbitmq.users" -}}
{{ concat (list "admin" "keda" "redrive") (keys .Values.global.services) | sortAlpha | toJson }}
{{- end }}

{{/* The most memory a node may use, in bytes: its limit without a fifth, or without 2 GiB of a large one. */}}
{{- define "rabbitmq.memory" -}}
{{- $limit := .Values.resources.limits.memory }}
{{- $bytes := mul (regexFind "^[0-9]+" $limit) (ternary 1073741824 1048576 (hasSuffix "Gi" $limit)) }}
{{- sub $bytes (min (div $bytes 5) 2147483648) }}
{{- end }}

{{/* A permission's pattern of whole names: (list pattern …), nothing for none. */}}
{{- define "rabbitmq.pattern" -}}
^{{ if . }}({{ join "|" (uniq .) }}){{ end }}$
{{- end }}

{{/* The permissions of a service: (list root service), as JSON. */}}
{{- define "rabbitmq.servicePermissions" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}{{ $exchange := regexQuoteMeta $service.exchange }}
{{- $configure := list $exchange }}{{ $write := list }}{{ $read := list $exchange }}
{{- if $service.publishes }}
  {{- $write = append $write $exchange }}
  {{- range $root.Values.global.services }}
    {{- with .queue }}
      {{- $configure = append $configure (regexQuoteMeta .) }}{{ $write = append $write (regexQuoteMeta .) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- with $service.queue }}
  {{- /* Its delay and dead queues begin with its name. It copies to them through the default exchange. */}}
  {{- $own := printf "%s(\\..+)?" (regexQuoteMeta .) }}
  {{- $configure = append $configure $own }}
  {{- $write = append $write "amq\\.default" }}{{ $write = append $write (regexQuoteMeta .) }}
  {{- $read = append $read $own }}
{{- end }}
{{- dict "configure" (include "rabbitmq.pattern" $configure) "write" (include "rabbitmq.pattern" $write) "read" (include "rabbitmq.pattern" $read) | toJson }}
{{- end }}

{{/* Definitions that are there before the first client. A password is put in by setup.sh, in its pod. */}}
{{- define "rabbitmq.definitions" -}}
{{- $users := list }}{{ $permissions := list }}{{ $policies := list }}{{ $dead := list }}
{{- $tags := dict "admin" (list "administrator") "keda" (list "management") }}
{{- range include "rabbitmq.users" . | fromJsonArray }}
  {{- $users = append $users (dict "name" . "password" (printf "@%s-password@" .) "tags" (get $tags . | default list) "limits" dict) }}
{{- end }}
{{- range $name, $service := .Values.global.services }}
  {{- $permissions = append $permissions (merge (dict "user" $name "vhost" "/") (include "rabbitmq.servicePermissions" (list $ $service) | fromJson)) }}
  {{- with $service.queue }}
    {{- $dead = append $dead (printf "%s\\.dead" (regexQuoteMeta .)) }}
    {{- $definition := dict "delivery-limit" 100 "dead-letter-exchange" "" "dead-letter-routing-key" (printf "%s.dead" .) "dead-letter-strategy" "at-least-once" "overflow" "reject-publish" }}
    {{- $policies = append $policies (dict "vhost" "/" "name" . "pattern" (printf "^%s$" (regexQuoteMeta .)) "apply-to" "quorum_queues" "priority" 0 "definition" $definition) }}
  {{- end }}
{{- end }}
{{- $permissions = append $permissions (dict "user" "admin" "vhost" "/" "configure" ".*" "write" ".*" "read" ".*") }}
{{- $permissions = append $permissions (dict "user" "keda" "vhost" "/" "configure" "^$" "write" "^$" "read" "^$") }}
{{- $permissions = append $permissions (dict "user" "redrive" "vhost" "/" "configure" "^$" "write" "^amq\\.default$" "read" (include "rabbitmq.pattern" $dead)) }}
{{- $vhost := dict "name" "/" "metadata" (dict "default_queue_type" "quorum") }}
{{- dict "vhosts" (list $vhost) "users" $users "permissions" $permissions "policies" $policies | toPrettyJson }}
{{- end }}
