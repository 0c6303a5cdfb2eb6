{{/* What all charts of the release share. A chart's name is its component: rabbitmq, order, email, … */}}

{{- define "warren.fullname" -}}
{{ .Release.Name }}-{{ .Chart.Name }}
{{- end }}

{{/* What selects the pods of a component, for ever: a Deployment's selector cannot change. */}}
{{- define "warren.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels that a user gives: (list root more), those of all objects and those of these pods. */}}
{{- define "warren.givenLabels" -}}
{{- with merge dict (index . 1 | default dict) ((index . 0).Values.global.commonLabels | default dict) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "warren.podLabels" -}}
{{ include "warren.selector" . }}
app.kubernetes.io/part-of: warren
{{- include "warren.givenLabels" (list . .Values.podLabels) }}
{{- end }}

{{- define "warren.labels" -}}
{{ include "warren.selector" . }}
app.kubernetes.io/part-of: warren
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- include "warren.givenLabels" (list . dict) }}
{{- end }}

{{/* Any pod of the release, as the peer of a network policy. */}}
{{- define "warren.peers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name | quote }}
      app.kubernetes.io/part-of: warren
{{- end }}

{{/* The image of one of our own programs: (list root "order") */}}
{{- define "warren.image" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}{{ $image := $root.Values.global.image }}
{{- with $image.registry }}{{ . }}/{{ end }}warren-{{ $program }}
{{- $tag := $image.tag | default $root.Chart.AppVersion }}
{{- with include "warren.digest" (list (get $image.digests $program) $tag) }}@{{ . }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* The addresses that a load balancer lets in, as peers of a network policy. */}}
{{- define "warren.rangePeers" -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* Refuses a name that comes twice, which the API refuses halfway: (list "email.extraEnv" items names-that-are-taken) */}}
{{- define "warren.checkOnce" -}}
{{- $value := index . 0 }}{{ $names := index . 2 }}
{{- range index . 1 }}
  {{- if has .name $names }}
  {{- fail (printf "%s: %s is there already; give it once" $value .name) }}
  {{- end }}
  {{- $names = append $names .name }}
{{- end }}
{{- end }}

{{/* Refuses mounts that the API refuses halfway: (list "email.extraVolumeMounts" mounts volumes names-of-the-chart's-volumes their-paths) */}}
{{- define "warren.checkMounts" -}}
{{- $value := index . 0 }}{{ $volumes := index . 3 }}{{ $paths := index . 4 }}
{{- range index . 2 }}{{ $volumes = append $volumes .name }}{{ end }}
{{- range index . 1 }}
  {{- $path := trimSuffix "/" .mountPath }}
  {{- if not (has .name $volumes) }}
  {{- fail (printf "%s: there is no volume %s; give it in %ss too" $value .name (trimSuffix "Mounts" $value)) }}
  {{- end }}
  {{- if has $path $paths }}
  {{- fail (printf "%s: something is mounted at %s already; choose another path" $value $path) }}
  {{- end }}
  {{- $paths = append $paths $path }}
{{- end }}
{{- end }}

{{/* Refuses what no registry knows: (list "global.image.registry" value whether-it-may-be-a-host-alone) */}}
{{- define "warren.checkImageName" -}}
{{- $name := index . 0 }}{{ $value := index . 1 }}{{ $parts := splitList "/" $value }}
{{- if contains "://" $value }}
{{- fail (printf "%s=%s: an image's name has no scheme; leave out %s://" $name $value (splitList "://" $value | first)) }}
{{- end }}
{{- if and (or (gt (len $parts) 1) (index . 2)) (regexMatch "[.:]|^localhost$" (first $parts)) }}{{ $parts = rest $parts }}{{ end }}
{{- range $part := $parts }}
  {{- if contains ":" $part }}
  {{- fail (printf "%s=%s: it holds a tag; give that in a value of its own, and leave out :%s" $name $value (splitList ":" $part | last)) }}
  {{- end }}
  {{- if and $value (not (regexMatch "^[a-z0-9]+([._-]+[a-z0-9]+)*$" $part)) }}
  {{- fail (printf "%s=%s: %s is no part of an image's name, which has a-z, 0-9, and single signs of . _ - between them" $name $value (toJson $part)) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A digest, unless it stands as TAG@DIGEST and another tag is asked for: (list digest tag) */}}
{{- define "warren.digest" -}}
{{- $parts := splitList "@" (index . 0 | default "") }}
{{- if or (eq (len $parts) 1) (eq (first $parts) (index . 1)) }}{{ last $parts }}{{ end }}
{{- end }}

{{/* The image of somebody else's program: {repository, tag, digest} */}}
{{- define "warren.foreignImage" -}}
{{ .repository }}:{{ .tag }}{{ with include "warren.digest" (list .digest .tag) }}@{{ . }}{{ end }}
{{- end }}

{{/* Pod Security "restricted", for the container, and what the values say otherwise. */}}
{{- define "warren.containerSecurity" -}}
{{- $security := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true }}
{{- $_ := set $security "capabilities" (dict "drop" (list "ALL")) }}
{{- $_ := set $security "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- mergeOverwrite $security (deepCopy (.Values.securityContext | default dict)) | toYaml }}
{{- end }}

{{/* Pod Security "restricted", for the pod: (list root user). OpenShift gives users and groups itself, and refuses fixed ones. */}}
{{- define "warren.podSecurity" -}}
{{- $root := index . 0 }}{{ $user := index . 1 }}
{{- $security := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- if $root.Values.global.fixedUsers }}
  {{- $ids := dict "runAsUser" $user "runAsGroup" $user "fsGroup" $user "fsGroupChangePolicy" "OnRootMismatch" }}
  {{- $security = merge $security $ids }}
{{- end }}
{{- $security = mergeOverwrite $security (deepCopy ($root.Values.podSecurityContext | default dict)) }}
{{- if and $security.runAsNonRoot (hasKey $security "runAsUser") (eq (toString $security.runAsUser) "0") }}
{{- fail (printf "%s.podSecurityContext.runAsUser=0: Kubernetes starts no pod as root that has runAsNonRoot; set that to false too, or another user" $root.Chart.Name) }}
{{- end }}
{{- toYaml $security }}
{{- end }}

{{/* What every pod says of itself and of where it may run. */}}
{{- define "warren.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with merge dict (.Values.nodeSelector | default dict) (.Values.global.nodeSelector | default dict) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (.Values.tolerations | default list) (.Values.global.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread as the values say, or away from one another, first over zones, then over nodes. Without a selector Kubernetes would spread nothing. */}}
{{- define "warren.spread" -}}
topologySpreadConstraints:
{{- with .Values.topologySpreadConstraints }}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "warren.selector" $ | fromYaml)) }}
{{- range . }}
  - {{ ternary dict $selector (hasKey . "labelSelector") | merge (deepCopy .) | toYaml | nindent 4 | trim }}
{{- end }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "warren.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The name of a component's account: (list values name) */}}
{{- define "warren.serviceAccount" -}}
{{- $account := (index . 0).serviceAccount }}
{{- $account.name | default (ternary (index . 1) "default" $account.create) }}
{{- end }}

{{/* How a Service is reached: (list root name values), name as in "order.http.service". */}}
{{- define "warren.serviceType" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $service := index . 2 }}
{{- range $key, $value := pick $service "nodePort" "managementNodePort" "externalTrafficPolicy" }}
  {{- if and $value (eq $service.type "ClusterIP") }}
  {{- fail (printf "%s.%s=%s: a Service of the type ClusterIP has none; set %s.type to NodePort or LoadBalancer, or leave it out" $name $key (toJson $value | trimAll "\"") $name) }}
  {{- end }}
{{- end }}
{{- range $key, $value := pick $service "loadBalancerClass" "loadBalancerSourceRanges" }}
  {{- if and $value (ne $service.type "LoadBalancer") }}
  {{- fail (printf "%s.%s is for a Service of the type LoadBalancer: set %s.type, or leave it out" $name $key $name) }}
  {{- end }}
{{- end }}
type: {{ $service.type }}
{{- with $service.loadBalancerClass }}
loadBalancerClass: {{ . | quote }}
{{- end }}
{{- with $service.loadBalancerSourceRanges }}
loadBalancerSourceRanges: {{ toJson . }}
{{- end }}
{{- with $service.externalTrafficPolicy }}
externalTrafficPolicy: {{ . }}
{{- end }}
{{- with $service.internalTrafficPolicy }}
internalTrafficPolicy: {{ . }}
{{- end }}
{{- with $root.Values.global.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with $root.Values.global.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end }}

{{/*
Where names are asked for, as rules of an egress policy: pods behind the Service (OpenShift's listen on 5353), or a cache on the node.
*/}}
{{- define "warren.dnsRule" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}, {port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]
  to:
    - namespaceSelector: {}
    # NodeLocal DNSCache, and the resolvers of some clouds.
    - ipBlock: {cidr: 169.254.0.0/16}
    {{- with .Values.global.dnsTo }}
    {{- toYaml . | nindent 4 }}
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
