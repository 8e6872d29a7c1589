package crdt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// A replica that crashes goes on as another one, with what it had on disk.
func ExampleReplica() {
	type counter = crdt.GCounter
	zero := func() *counter { return new(counter) }
	count := func(id vclock.ID, v *counter) (*counter, error) { return v.Add(id, 1) }

	first, _ := crdt.NewReplica("node.1", zero, crdt.ReplicaConfig{})
	_ = first.Do(count)
	disk, _ := first.AppendBinary(nil)
	_ = first.Do(count) // this one is lost

	second, _ := crdt.NewReplica("node.2", zero, crdt.ReplicaConfig{})
	fmt.Println(second.Receive(disk), second.Do(count))
	fmt.Println(second.Stats().Seen)
	second.View(func(v *counter) { fmt.Println(v) })
	// Output:
	// <nil> <nil>
	// {"node.1":1, "node.2":1}
	// 2
}

// A file of changes: what has come since the last time is appended, and all is read back in order.
func ExampleReplica_Since() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	first, _ := crdt.NewReplica("node.1", zero, crdt.ReplicaConfig{})
	var file [][]byte
	var saved vclock.Vector
	for range 3 {
		_ = first.Do(func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { return v.Add(id, 5) })
		now := first.Stats().Seen
		news, _ := first.Since(saved)
		file, saved = append(file, news), now
	}
	second, _ := crdt.NewReplica("node.2", zero, crdt.ReplicaConfig{})
	for _, news := range file {
		fmt.Println(len(news), second.Receive(news))
	}
	second.View(func(v *crdt.GCounter) { fmt.Println(v) })
	// Output:
	// 20 <nil>
	// 26 <nil>
	// 26 <nil>
	// 15
}

// A member that is away keeps the log of the others from being trimmed, and they say who it is.
func ExampleReplicaConfig() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	members := crdt.ReplicaConfig{Members: []vclock.ID{"a", "b", "c"}}
	a, _ := crdt.NewReplica("a.1", zero, members)
	b, _ := crdt.NewReplica("b.1", zero, members)
	_ = a.Do(func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { return v.Add(id, 1) })

	delta, _ := a.Delta(b.Summary())
	_ = b.Receive(delta)
	_, _ = a.Delta(b.Summary()) // b says that it has it
	fmt.Println(a.Stats().Deltas, a.Stats().Behind)

	a.Forget("c") // an operator has decided that it will not come back
	fmt.Println(a.Stats().Deltas, a.Stats().Behind)
	// Output:
	// 1 [c]
	// 0 []
}

func ExampleStats() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	a, _ := crdt.NewReplica("a.1", zero, crdt.ReplicaConfig{})
	_ = a.Do(func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { return v.Add(id, 5) })
	fmt.Println(a.Stats().Seen, a.Stats().Deltas)
	// Output: {"a.1":1} 1
}

// What builds on something that has not come is refused, and can be asked for.
func ExampleMissingError() {
	zero := func() *crdt.GCounter { return new(crdt.GCounter) }
	a, _ := crdt.NewReplica("a.1", zero, crdt.ReplicaConfig{})
	b, _ := crdt.NewReplica("b.1", zero, crdt.ReplicaConfig{})
	c, _ := crdt.NewReplica("c.1", zero, crdt.ReplicaConfig{})
	count := func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { return v.Add(id, 1) }

	_ = a.Do(count)
	delta, _ := a.Delta(b.Summary())
	_ = b.Receive(delta)
	_ = a.Do(count)
	delta, _ = a.Delta(b.Summary()) // for b, and somebody sends it to c

	var missing *crdt.MissingError
	if errors.As(c.Receive(delta), &missing) {
		fmt.Println(missing.Spans)
	}
	delta, _ = a.Delta(c.Summary())
	fmt.Println(c.Receive(delta), c.Stats().Seen)
	// Output:
	// [a.1:1]
	// <nil> {"a.1":2}
}

// Intervals of deltas go out until they are acknowledged.
func ExampleBuffer() {
	var here, there crdt.GCounter
	var deltas crdt.Buffer[*crdt.GCounter]
	add := func(n uint64) {
		delta, _ := here.Add("here", n)
		deltas.Push(delta)
	}
	add(1)
	_, upto, full := deltas.For("there") // this one is lost
	fmt.Println(upto, full)
	add(2)
	msg, upto, full := deltas.For("there")
	fmt.Println(upto, full)
	there.Merge(msg)
	fmt.Println(deltas.Ack("there", upto), &there)
	deltas.Trim()
	_, upto, full = deltas.For("new") // what it lacks is gone
	fmt.Println(deltas.Len(), upto, full)
	// Output:
	// 1 false
	// 2 false
	// <nil> 3
	// 0 2 true
}

// The epoch is a number in a file, which is raised before anything else happens.
func ExampleNewID() {
	dir, _ := os.MkdirTemp("", "epoch")
	defer func() { _ = os.RemoveAll(dir) }()
	start := func() (vclock.ID, error) {
		path := filepath.Join(dir, "epoch")
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = []byte("0"), nil // the first time; whatever else is wrong must not begin from there
		}
		if err != nil {
			return "", err
		}
		last, err := strconv.ParseUint(string(text), 10, 64)
		if err != nil {
			return "", err
		}
		next, err := os.Create(path + ".new")
		if err != nil {
			return "", err
		}
		_, err = fmt.Fprint(next, last+1)
		if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
			return "", err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return "", err
		}
		return crdt.NewID("phone", last+1) // the directory should be synced as well
	}
	fmt.Println(start())
	fmt.Println(start())
	_ = os.Truncate(filepath.Join(dir, "epoch"), 0)
	_, err := start()
	fmt.Println(err)
	// Output:
	// phone.1 <nil>
	// phone.2 <nil>
	// strconv.ParseUint: parsing "": invalid syntax
}

// Two replicas of a set that remembers what was removed: once both know of it, nobody has to.
func ExampleReplica_Settled() {
	zero := func() *crdt.RWSet[string] { return new(crdt.RWSet[string]) }
	members := crdt.ReplicaConfig{Members: []vclock.ID{"a", "b"}}
	a, _ := crdt.NewReplica("a.1", zero, members)
	b, _ := crdt.NewReplica("b.1", zero, members)
	remove := func(id vclock.ID, s *crdt.RWSet[string]) (*crdt.RWSet[string], error) { return s.Remove(id, "eve") }
	_ = a.Do(remove)

	for range 3 { // as a timer would, from time to time
		here, there := net.Pipe()
		done := make(chan error)
		go func() { done <- crdt.Sync(context.Background(), there, b) }()
		_, _ = crdt.Sync(context.Background(), here, a), <-done

		dots := a.Settled()
		_ = a.Do(func(_ vclock.ID, s *crdt.RWSet[string]) (*crdt.RWSet[string], error) { return s.Forget(dots), nil })
		a.View(func(s *crdt.RWSet[string]) { fmt.Println(dots, s.Removed()) })
	}
	// Output:
	// {} 1
	// {"a.1":1} 0
	// {"a.1":1} 0
}
