// Go, amqp091-go: deferred confirms, reconnecting by hand.
//
//	go run amqp091_client.go HOST PORT CERTS ITEM.json
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	triesMax      = 60
	tryEvery      = 500 * time.Millisecond
	arrivesWithin = 15 * time.Second
)

type fields map[string]any

func say(step string, more fields) {
	line := fields{"step": step}
	for name, value := range more {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

type broker struct {
	host, port, certs string
	body              []byte
}

func (b broker) connect(name string) (*amqp.Connection, error) {
	authority, err := os.ReadFile(b.certs + "/ca.pem")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in ca.pem")
	}
	pair, err := tls.LoadX509KeyPair(b.certs+"/"+name+".pem", b.certs+"/"+name+".key")
	if err != nil {
		return nil, err
	}
	return amqp.DialTLS_ExternalAuth(
		"amqps://"+b.host+":"+b.port+"/",
		&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: b.host},
	)
}

// The post's sending system and the customs' receiving one, each with its own certificate.
type systems struct {
	sender, receiver *amqp.Connection
	out              *amqp.Channel
	returns          chan amqp.Return
	arrivals         <-chan amqp.Delivery
	lost             chan *amqp.Error
}

func (b broker) open() (*systems, error) {
	s := &systems{lost: make(chan *amqp.Error, 2), returns: make(chan amqp.Return, 8)}
	var err error
	if s.sender, err = b.connect("post-items"); err != nil {
		return nil, err
	}
	if s.receiver, err = b.connect("customs-declarations"); err != nil {
		return nil, err
	}
	s.sender.NotifyClose(s.lost)
	s.receiver.NotifyClose(make(chan *amqp.Error, 1))
	if s.out, err = s.sender.Channel(); err != nil {
		return nil, err
	}
	if err = s.out.Confirm(false); err != nil {
		return nil, err
	}
	s.out.NotifyReturn(s.returns)
	inbox, err := s.receiver.Channel()
	if err != nil {
		return nil, err
	}
	if err = inbox.Qos(10, 0, false); err != nil {
		return nil, err
	}
	s.arrivals, err = inbox.Consume("inbox", "", false, false, false, false, nil)
	return s, err
}

func (b broker) reopen() (*systems, error) {
	for tries := 1; tries <= triesMax; tries++ {
		if s, err := b.open(); err == nil {
			say("reconnected", fields{"tries": tries})
			return s, nil
		}
		time.Sleep(tryEvery)
	}
	return nil, fmt.Errorf("no broker at %s:%s after %d tries", b.host, b.port, triesMax)
}

func (s *systems) publish(id, to string, body []byte) error {
	confirm, err := s.out.PublishWithDeferredConfirmWithContext(
		context.Background(), "carnet", "postal.item", true, false,
		amqp.Publishing{
			MessageId:    id,
			ContentType:  "application/json",
			DeliveryMode: amqp.Persistent,
			Headers:      amqp.Table{"to": to},
			Body:         body,
		})
	if err != nil {
		return err
	}
	if !confirm.Wait() {
		return fmt.Errorf("%s: the broker did not take it", id)
	}
	// A return precedes its ack on the wire, so it is here by now if there is one.
	select {
	case r := <-s.returns:
		say("returned", fields{"code": r.ReplyCode, "text": r.ReplyText, "id": r.MessageId,
			"whole": bytes.Equal(r.Body, body)})
	default:
	}
	say("confirmed", fields{"id": id})
	return nil
}

func (s *systems) receive() error {
	select {
	case d := <-s.arrivals:
		var item struct{ ID string }
		if err := json.Unmarshal(d.Body, &item); err != nil {
			return err
		}
		say("received", fields{"key": d.RoutingKey, "item": item.ID, "redelivered": d.Redelivered})
		return d.Ack(false)
	case <-time.After(arrivesWithin):
		return errors.New("nothing arrived in the inbox")
	}
}

func run(b broker) error {
	s, err := b.open()
	if err != nil {
		return err
	}
	say("connected", nil)
	if err = s.publish("amqp091-1", "customs/main", b.body); err != nil {
		return err
	}
	if err = s.receive(); err != nil {
		return err
	}
	if err = s.publish("amqp091-refused", "environment/main", b.body); err != nil {
		return err
	}

	say("waiting", nil)
	say("lost", fields{"reason": fmt.Sprint(<-s.lost)})
	if s, err = b.reopen(); err != nil {
		return err
	}
	if err = s.publish("amqp091-2", "customs/main", b.body); err != nil {
		return err
	}
	if err = s.receive(); err != nil {
		return err
	}
	if err = s.sender.Close(); err != nil {
		return err
	}
	if err = s.receiver.Close(); err != nil {
		return err
	}
	say("done", nil)
	return nil
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: amqp091_client HOST PORT CERTS ITEM.json")
	}
	body, err := os.ReadFile(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	if err = run(broker{host: os.Args[1], port: os.Args[2], certs: os.Args[3], body: body}); err != nil {
		log.Fatal(err)
	}
}
