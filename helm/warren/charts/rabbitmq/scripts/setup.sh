# What a node needs in its home, which only its own user may read; it may be there already, from a start before.
set -eu
umask 077
home=/var/lib/rabbitmq

# A node's name holds its release and namespace. Beside the data of another name RabbitMQ would start empty, and look healthy.
if [ ! -d "$home/mnesia/$RABBITMQ_NODENAME" ]; then
  for folder in "$home"/mnesia/rabbit@*; do
    [ -d "$folder" ] || continue
    echo "this volume holds the data of ${folder##*/}, and this node is $RABBITMQ_NODENAME:" \
      "restore it to the same pod of a release of that name in that namespace, or empty it" >&2
    exit 64
  done
fi

install -m 600 /config/enabled_plugins "$home/enabled_plugins"
printf %s "$(cat /secrets/erlang-cookie)" > "$home/.erlang.cookie"
# Where pods have IPv6 addresses first, nodes and their tools find each other by those.
case $POD_IP in
  *:*)
    echo '{inet6, true}.' > "$home/inetrc"
    echo "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"-kernel inetrc '$home/inetrc' -proto_dist inet6_tcp\""
    echo 'RABBITMQ_CTL_ERL_ARGS="-proto_dist inet6_tcp"' ;;
esac > "$home/rabbitmq-env.conf"
# By itself RabbitMQ listens for AMQP at all addresses, and for HTTP at those of IPv4 alone.
case $POD_IPS in
  *:*)
    for listener in "management 15672" "prometheus 15692"; do
      printf '%s.tcp.ip = ::\n%s.tcp.port = %s\n' "${listener% *}" "${listener% *}" "${listener#* }"
    done ;;
esac > "$home/addresses.conf"
script=
for user in {{ include "rabbitmq.users" . | fromJsonArray | join " " }}; do
  password=$(cat "/secrets/$user-password")
  case $password in
    "" | *[!A-Za-z0-9._~-]*)
      echo "key $user-password of Secret {{ include "rabbitmq.secretName" . }}: expected letters, digits, dots, dashes, _ and ~" >&2
      exit 64 ;;
  esac
  script="$script;s/@$user-password@/$password/"
done
sed "$script" /config/definitions.json > "$home/definitions.json"
