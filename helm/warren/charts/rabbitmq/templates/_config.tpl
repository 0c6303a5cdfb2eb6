{{/* What is in the ConfigMap, without its labels: nodes restart when this changes, and not at every version of the chart. */}}
{{- define "rabbitmq.config" -}}
keda-username: keda
enabled_plugins: |
  [{{ concat (list "rabbitmq_management" "rabbitmq_peer_discovery_k8s" "rabbitmq_prometheus") .Values.plugins | uniq | join "," }}].
definitions.json: |
  {{- include "rabbitmq.definitions" . | nindent 2 }}
warren.conf: |
  cluster_name = {{ include "warren.fullname" . }}
  cluster_formation.peer_discovery_backend = k8s
  cluster_formation.target_cluster_size_hint = {{ .Values.replicas | int64 }}
  definitions.import_backend = local_filesystem
  definitions.local.path = /var/lib/rabbitmq/definitions.json
  definitions.skip_if_unchanged = true
  default_queue_type = quorum
  queue_leader_locator = balanced
  # A queue made on one node gets its other members as soon as the other nodes are there.
  quorum_queue.continuous_membership_reconciliation.enabled = true
  quorum_queue.continuous_membership_reconciliation.auto_remove = false
  quorum_queue.continuous_membership_reconciliation.target_group_size = 3
  max_message_size = 262144
  total_memory_available_override_value = {{ include "rabbitmq.memory" . }}
  disk_free_limit.absolute = 2GB
  auth_mechanisms.1 = PLAIN
  auth_mechanisms.2 = AMQPLAIN
  {{- if .Values.global.rabbitmq.tls.existingSecret }}
  listeners.tcp = none
  listeners.ssl.default = 5671
  ssl_options.cacertfile = /etc/rabbitmq/tls/ca.crt
  ssl_options.certfile = /etc/rabbitmq/tls/tls.crt
  ssl_options.keyfile = /etc/rabbitmq/tls/tls.key
  ssl_options.verify = verify_none
  ssl_options.fail_if_no_peer_cert = false
  ssl_options.versions.1 = tlsv1.3
  ssl_options.versions.2 = tlsv1.2
  {{- end }}
  {{- with .Values.config }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with .Values.advancedConfig }}
advanced.config: {{ toJson . }}
{{- end }}
setup.sh: |
  {{- tpl (.Files.Get "scripts/setup.sh") . | nindent 2 }}
flags.sh: |
  {{- .Files.Get "scripts/flags.sh" | nindent 2 }}
stop.sh: |
  {{- tpl (.Files.Get "scripts/stop.sh") . | nindent 2 }}
{{- end }}
