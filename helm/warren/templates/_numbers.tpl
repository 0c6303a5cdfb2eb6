{{/* Numbers as they were written. A values file brings whole numbers as floats, and Go's templates would show a million as 1e+06. */}}

{{/* A value as a string in quotes. */}}
{{- define "warren.text" -}}
{{ ternary . (toJson .) (kindIs "string" .) | quote }}
{{- end }}

{{/* The same for an environment variable, in whose value Kubernetes would put another one's in place of $(NAME), and $ in place of $$. */}}
{{- define "warren.literal" -}}
{{ include "warren.text" . | replace "$" "$$" }}
{{- end }}

{{/* A duration such as 500ms, 5s, 2m or 1h, in milliseconds. */}}
{{- define "warren.milliseconds" -}}
{{- $factors := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- mul (regexFind "^[0-9]+" .) (get $factors (regexFind "[a-z]+$" .)) }}
{{- end }}

{{/* A quantity such as 250m, 1.5, 64Mi or 8G, in thousandths; empty for a form that is not known here. */}}
{{- define "warren.quantity" -}}
{{- $text := ternary . (toJson .) (kindIs "string" .) }}
{{- $factors := dict "m" 1 "" 1000 "k" 1000000 "Ki" 1024000 "M" 1000000000 "Mi" 1048576000 "G" 1000000000000 "Gi" 1073741824000 "T" 1000000000000000 "Ti" 1099511627776000 }}
{{- with regexFind "^[0-9]+(\\.[0-9]+)?" $text }}
  {{- $suffix := trimPrefix . $text }}
  {{- if hasKey $factors $suffix }}{{ mulf . (get $factors $suffix) | int64 }}{{ end }}
{{- end }}
{{- end }}

{{/* Refuses resources that ask for more than they may have: (list "order.resources" resources) */}}
{{- define "warren.checkResources" -}}
{{- $name := index . 0 }}{{ $resources := index . 1 | default dict }}
{{- range $key, $request := $resources.requests }}
  {{- $limit := get ($resources.limits | default dict) $key }}
  {{- if and (not (kindIs "invalid" $request)) (not (kindIs "invalid" $limit)) (hasKey ($resources.limits | default dict) $key) }}
    {{- $asked := include "warren.quantity" $request }}{{ $allowed := include "warren.quantity" $limit }}
    {{- if and $asked $allowed (gt (int64 $asked) (int64 $allowed)) }}
    {{- fail (printf "%s: it asks for %s %s and may have %s at most; set requests.%s to no more than limits.%s" $name (toString $request) $key (toString $limit) $key $key) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
