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
