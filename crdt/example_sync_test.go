package crdt_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// Two replicas change without a network, and meet.
func ExampleSync() {
	zero := func() *crdt.ORSet[string] { return new(crdt.ORSet[string]) }
	phone, _ := crdt.NewReplica("phone.1", zero, crdt.ReplicaConfig{})
	home, _ := crdt.NewReplica("home.1", zero, crdt.ReplicaConfig{})
	add := func(r *crdt.Replica[*crdt.ORSet[string]], e string) {
		_ = r.Do(func(id vclock.ID, v *crdt.ORSet[string]) (*crdt.ORSet[string], error) { return v.Add(id, e) })
	}
	add(phone, "milk")
	add(home, "eggs")

	here, there := net.Pipe()
	done := make(chan error)
	go func() { done <- crdt.Sync(context.Background(), there, home) }()
	fmt.Println(crdt.Sync(context.Background(), here, phone), <-done)
	phone.View(func(v *crdt.ORSet[string]) { fmt.Println(v) })
	home.View(func(v *crdt.ORSet[string]) { fmt.Println(v) })
	// Output:
	// <nil> <nil>
	// [eggs milk]
	// [eggs milk]
}

// mirror gives what it has and takes in nothing. It embeds the Replica, so that it has its More, too.
type mirror struct {
	*crdt.Replica[*crdt.GCounter]
}

func (mirror) Receive([]byte) error { return nil }

// A Syncer can stand before a Replica.
func ExampleSyncer() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	count := func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { return v.Add(id, 1) }
	a, _ := crdt.NewReplica("a.1", zero, crdt.ReplicaConfig{})
	b, _ := crdt.NewReplica("b.1", zero, crdt.ReplicaConfig{})
	fmt.Println(a.Do(count), b.Do(count))

	here, there := net.Pipe()
	done := make(chan error)
	go func() { done <- crdt.Sync(context.Background(), there, b) }()
	fmt.Println(crdt.Sync(context.Background(), here, mirror{a}), <-done)
	fmt.Println(a.Stats().Seen, b.Stats().Seen)
	// Output:
	// <nil> <nil>
	// <nil> <nil>
	// {"a.1":1} {"a.1":1, "b.1":1}
}

func ExampleSession() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	a, _ := crdt.NewReplica("a.1", zero, crdt.ReplicaConfig{})
	b, _ := crdt.NewReplica("b.1", zero, crdt.ReplicaConfig{})
	here, there := net.Pipe()
	done := make(chan error)
	go func() { done <- crdt.Session{MaxMessage: 1 << 10}.Sync(context.Background(), there, b) }()
	err := crdt.Session{MaxMessage: 1}.Sync(context.Background(), here, a)
	fmt.Println(errors.Is(err, crdt.ErrTooLong), <-done != nil)
	// Output: true true
}
