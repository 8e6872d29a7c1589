package crdt

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkSync is a session of two replicas of which one has one change that the other lacks.
func BenchmarkSync(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("impl=deltas/n=%d", n), func(b *testing.B) {
			r, peer := setReplica(b, "a", n), setReplica(b, "b", 0)
			here, there := net.Pipe()
			done := make(chan error)
			delta, err := r.AppendBinary(nil)
			require.NoError(b, err)
			require.NoError(b, peer.Receive(delta))
			b.ReportAllocs()
			for b.Loop() {
				addToSet(b, r, n)
				go func() { done <- Sync(context.Background(), there, peer) }()
				if err := Sync(context.Background(), here, r); err != nil {
					b.Fatal(err)
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
