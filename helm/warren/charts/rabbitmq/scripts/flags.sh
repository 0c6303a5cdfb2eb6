# The next version of RabbitMQ does not start where a feature of this one is switched off. The last node of an upgrade to
# start switches them on; before, the others do not know them yet, and RabbitMQ refuses.
until rabbitmqctl --quiet await_startup >/dev/null 2>&1; do sleep 10; done
tries=0
until rabbitmqctl --quiet enable_feature_flag all || [ "$((tries += 1))" -ge 30 ]; do sleep 10; done
