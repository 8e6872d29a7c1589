package hashring_test

import (
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/plinth-go/plinth/hashring"
)

// backends are four nodes of one weight.
func backends() *hashring.Ring {
	var nodes []hashring.Node
	for _, name := range []string{"ada", "bob", "cid", "dot"} {
		nodes = append(nodes, hashring.Node{Name: name, Weight: 1})
	}
	ring, err := hashring.NewRing(hashring.RingConfig{}, nodes...)
	if err != nil {
		log.Fatal(err)
	}
	return ring
}

// A video that everybody wants is at three of four nodes, and none of them has more than 1.5
// times the mean.
func ExampleBounded() {
	bounded, err := hashring.NewBounded(backends(), 0.5)
	if err != nil {
		log.Fatal(err)
	}
	for range 100 {
		if _, err := bounded.Acquire("video/17"); err != nil { // and none is over
			log.Fatal(err)
		}
	}
	for node, load := range bounded.Loads() {
		fmt.Println(node.Name, load)
	}
	// Output:
	// ada 38
	// bob 38
	// cid 24
	// dot 0
}

func ExampleLease() {
	bounded, err := hashring.NewBounded(backends(), 0.25)
	if err != nil {
		log.Fatal(err)
	}
	lease, err := bounded.Acquire("user/17")
	if err != nil {
		log.Fatal(err)
	}
	name := lease.Node().Name
	fmt.Println("ask", name, "which has", bounded.Load(name))

	lease.Release()
	lease.Release() // harmless: so an early one and a deferred one go together
	fmt.Println("now", bounded.Load(name))
	// Output:
	// ask bob which has 1
	// now 0
}

// A node that goes gets no more leases. It is drained when Load says 0.
func ExampleBounded_Swap() {
	ring := backends()
	bounded, err := hashring.NewBounded(ring, 0.25)
	if err != nil {
		log.Fatal(err)
	}
	lease, err := bounded.Acquire("user/17")
	if err != nil {
		log.Fatal(err)
	}
	fewer, err := ring.Without("bob")
	if err != nil {
		log.Fatal(err)
	}
	if err := bounded.Swap(fewer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bounded.Len(), "nodes, and bob has", bounded.Load("bob"))
	lease.Release()
	fmt.Println("and then", bounded.Load("bob"))
	// Output:
	// 3 nodes, and bob has 1
	// and then 0
}

func ExampleBoundedStats() {
	bounded, err := hashring.NewBounded(backends(), 0.5)
	if err != nil {
		log.Fatal(err)
	}
	for range 100 {
		if _, err := bounded.Acquire("video/17"); err != nil {
			log.Fatal(err)
		}
	}
	text := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	slog.New(text).Info("loads", "bounded", bounded.Stats())
	// Output:
	// level=INFO msg=loads bounded.nodes=4 bounded.leases=100 bounded.acquired=100 bounded.spilled=62
}
