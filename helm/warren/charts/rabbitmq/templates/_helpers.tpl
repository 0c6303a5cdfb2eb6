{{- define "rabbitmq.secretName" -}}
{{ .Values.global.rabbitmq.auth.existingSecret | default (include "warren.fullname" .) }}
{{- end }}

{{/* The version that an image's tag names, as 4.3.0; empty for a tag without one. */}}
{{- define "rabbitmq.version" -}}
{{- with regexFind "^v?[0-9]+(\\.[0-9]+)?(\\.[0-9]+)?" . | trimPrefix "v" }}
  {{- $parts := splitList "." . }}
  {{- /* A major version alone is its newest. */}}
  {{- $minor := "9999" }}{{ if gt (len $parts) 1 }}{{ $minor = index $parts 1 }}{{ end }}
  {{- $patch := "0" }}{{ if gt (len $parts) 2 }}{{ $patch = index $parts 2 }}{{ end }}
  {{- printf "%s.%s.%s" (index $parts 0) $minor $patch }}
{{- end }}
{{- end }}

{{/* The version that a StatefulSet runs, as far as its image's tag says it; a tag of a major version alone does not. */}}
{{- define "rabbitmq.runningVersion" -}}
{{- range .spec.template.spec.containers }}
  {{- if eq .name "rabbitmq" }}
    {{- $version := regexFind ":[^:@/]+(@|$)" .image | trimPrefix ":" | trimSuffix "@" | include "rabbitmq.version" }}
    {{- if not (contains ".9999." $version) }}{{ $version }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Refuses another size or class than the nodes' volumes have, which Kubernetes would refuse after all else was changed:
(list root StatefulSet)
*/}}
{{- define "rabbitmq.checkClaims" -}}
{{- $root := index . 0 }}{{ $set := index . 1 }}{{ $values := $root.Values.persistence }}
{{- $claims := $set.spec.volumeClaimTemplates | default list }}
{{- if ne (len $claims) (ternary 1 0 $values.enabled) }}
  {{- fail (printf "rabbitmq.persistence.enabled=%t: the nodes that run were installed otherwise, and Kubernetes changes no StatefulSet in that; install another release" $values.enabled) }}
{{- end }}
{{- range $claims }}
  {{- $class := dig "spec" "storageClassName" "" . }}
  {{- if ne $class $values.storageClass }}
  {{- fail (printf "rabbitmq.persistence.storageClass=%s: the volumes are of the class %s, and no volume changes its class; set it to that, or move to another release" (toJson $values.storageClass) (toJson $class)) }}
  {{- end }}
  {{- $has := .spec.resources.requests.storage | toString }}
  {{- if ne (include "warren.quantity" $has) (include "warren.quantity" $values.size) }}
  {{- fail (printf "rabbitmq.persistence.size=%s: the volumes are %s, and Kubernetes changes no StatefulSet in that; leave it, or enlarge them: kubectl -n %s patch pvc %s -p '{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"%s\"}}}}' && kubectl -n %s delete statefulset %s --cascade=orphan, then upgrade again" $values.size $has $root.Release.Namespace (include "rabbitmq.claims" (list $root $set)) $values.size $root.Release.Namespace $set.metadata.name) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The names of the nodes' claims: (list root StatefulSet) */}}
{{- define "rabbitmq.claims" -}}
{{- $name := (index . 1).metadata.name }}{{ $claims := list }}
{{- range until (dig "spec" "replicas" 1 (index . 1) | int) }}{{ $claims = append $claims (printf "data-%s-%d" $name .) }}{{ end }}
{{- join " " $claims }}
{{- end }}

{{/* Everybody who logs in, in alphabetical order. */}}
{{- define "rabbitmq.users" -}}
{{ concat (list "admin" "keda" "redrive") (keys (.Values.global.warrenServices | default dict)) | sortAlpha | toJson }}
{{- end }}

{{/* The most memory a node may use, in bytes: its limit without a fifth, or without 2 GiB of a large one. */}}
{{- define "rabbitmq.memory" -}}
{{- $bytes := div (include "warren.quantity" .Values.resources.limits.memory) 1000 }}
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
  {{- range $root.Values.global.warrenServices }}
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
{{- range $name, $service := .Values.global.warrenServices }}
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

{{/* Who a node is, as environment variables. */}}
{{- define "rabbitmq.identity" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: POD_IPS
  valueFrom:
    fieldRef:
      fieldPath: status.podIPs
- name: RABBITMQ_NODENAME
  value: {{ printf "rabbit@$(POD_NAME).%s-nodes.%s" (include "warren.fullname" .) .Release.Namespace | quote }}
{{- end }}
