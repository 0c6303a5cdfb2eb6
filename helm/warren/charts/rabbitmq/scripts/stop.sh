# Before it stops, a node waits until the queues can do without it, however long that takes.
until rabbitmq-upgrade await_online_quorum_plus_one -t 30; do
  # When a release is removed, all its nodes stop at once, and the last would wait for ever. Its Service is gone by then; that
  # a name of Kubernetes itself is known tells this from a DNS that does not answer.
  if ! getent hosts {{ include "warren.fullname" . }} && getent hosts kubernetes.default; then break; fi
  # A node that does not run has no vote.
  rabbitmq-diagnostics --quiet check_running || break
  sleep 5
done
rabbitmq-upgrade drain
