# Ruby, Bunny: synchronous calls, the library's own recovery of connection, channels and consumers.
#
#     ruby bunny_client.rb HOST PORT CERTS ITEM.json

require 'bunny'
require 'json'
require 'timeout'

ARRIVES_WITHIN_S = 15
RECONNECT_WITHIN_S = 30

$stdout.sync = true

def say(step, **fields)
  puts JSON.generate({ step: step, **fields })
end

host, port, CERTS, item = ARGV
BODY = File.binread(item)
LOST = Queue.new
RECOVERED = Queue.new

CONNECT = lambda do |name|
  connection = Bunny.new(
    host: host, port: port.to_i, heartbeat: 10,
    tls: true, verify_peer: true, tls_protocol: :SSLv23, # any version, 1.3 first
    tls_cert: "#{CERTS}/#{name}.pem", tls_key: "#{CERTS}/#{name}.key",
    tls_ca_certificates: ["#{CERTS}/ca.pem"],
    auth_mechanism: 'EXTERNAL',
    network_recovery_interval: 0.5, recover_from_connection_close: true,
    recovery_attempt_started: -> { LOST << name },
    recovery_completed: -> { RECOVERED << name },
    log_level: Logger::FATAL
  )
  connection.start
end

def publish(channel, carnet, id, to)
  carnet.publish(
    BODY,
    routing_key: 'postal.item', message_id: id, content_type: 'application/json',
    persistent: true, mandatory: true, headers: { 'to' => to }
  )
  raise "#{id}: the broker did not take it" unless channel.wait_for_confirms

  say 'confirmed', id: id
end

def receive(inbox, arrivals)
  delivery, body = Timeout.timeout(ARRIVES_WITHIN_S) { arrivals.pop }
  inbox.ack(delivery.delivery_tag)
  say 'received', key: delivery.routing_key, item: JSON.parse(body)['ID'], redelivered: delivery.redelivered?
end

sender = CONNECT.call('post-items')
receiver = CONNECT.call('customs-declarations')
out = sender.create_channel
out.confirm_select
carnet = out.exchange('carnet', type: :topic, passive: true)
carnet.on_return do |returned, properties, content|
  say 'returned', code: returned.reply_code, text: returned.reply_text,
                  id: properties.message_id, whole: content == BODY
end
inbox = receiver.create_channel
inbox.prefetch(10)
arrivals = Queue.new
inbox.queue('inbox', passive: true).subscribe(manual_ack: true) do |delivery, _properties, body|
  arrivals << [delivery, body]
end

say 'connected'
publish(out, carnet, 'bunny-1', 'customs/main')
receive(inbox, arrivals)
publish(out, carnet, 'bunny-refused', 'environment/main')

say 'waiting'
LOST.pop
say 'lost'
Timeout.timeout(RECONNECT_WITHIN_S) { 2.times { RECOVERED.pop } }
say 'reconnected'
publish(out, carnet, 'bunny-2', 'customs/main')
receive(inbox, arrivals)
sender.close
receiver.close
say 'done'
