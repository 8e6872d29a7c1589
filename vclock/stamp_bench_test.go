package vclock

import (
	"fmt"
	"testing"
)

// The benchmarks of stamps are for as many as are alive, which know of all that was before but the last event
// of each. Those of impl=naive are the paper's functions as they stand, and impl=vector a Vector of as many replicas.
// case=shared is what came from each other, and case=own what came over the wire.

func benchStamp(b *testing.B, impl, kind string, n int, f func()) {
	b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
}

func BenchmarkStampEvent(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		s := stampsOf(n)[0]
		p := s.paper()
		v, _ := pairOf(n)
		benchStamp(b, "plinth", "one", n, func() { _, _ = s.Event() })
		benchStamp(b, "naive", "one", n, func() { _ = p.happen() })
		benchStamp(b, "vector", "one", n, func() { u := v; _, _ = u.Tick("node-001") })
	}
}

func BenchmarkStampFork(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		s := stampsOf(n)[0]
		p := s.paper()
		benchStamp(b, "plinth", "one", n, func() { _, _ = s.Fork() })
		benchStamp(b, "naive", "one", n, func() { _, _ = p.fork() })
	}
}

// BenchmarkStampJoin takes in what another knows, as a message does; case=retire joins with that one.
func BenchmarkStampJoin(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		alive := stampsOf(n)
		s, t := alive[0], alive[n-1]
		message, far := t.Peek(), t.foreign().Peek()
		p, q := s.paper(), message.paper()
		v, w := pairOf(n)
		other := w.foreign()
		benchStamp(b, "plinth", "shared", n, func() { _, _ = Join(s, message) })
		benchStamp(b, "plinth", "own", n, func() { _, _ = Join(s, far) })
		benchStamp(b, "plinth", "retire", n, func() { _, _ = Join(s, t) })
		benchStamp(b, "naive", "own", n, func() { _ = p.join(q) })
		benchStamp(b, "vector", "shared", n, func() { u := v; u.Merge(w) })
		benchStamp(b, "vector", "own", n, func() { u := v; u.Merge(other) })
	}
}

func BenchmarkStampCompare(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		alive := stampsOf(n)
		s, t := alive[0], alive[n-1]
		far := t.foreign()
		p, q := s.paper(), t.paper()
		v, w := pairOf(n)
		other := w.foreign()
		benchStamp(b, "plinth", "shared", n, func() { _ = s.Compare(t) })
		benchStamp(b, "plinth", "own", n, func() { _ = s.Compare(far) })
		benchStamp(b, "naive", "own", n, func() { _ = p.compare(q) })
		benchStamp(b, "vector", "shared", n, func() { _ = v.Compare(w) })
		benchStamp(b, "vector", "own", n, func() { _ = v.Compare(other) })
	}
}

func BenchmarkStampEncode(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		s := stampsOf(n)[0]
		bytes, _ := s.MarshalBinary()
		buf := make([]byte, 0, len(bytes))
		benchStamp(b, "plinth", "append", n, func() { _, _ = s.AppendBinary(buf) })
		benchStamp(b, "plinth", "unmarshal", n, func() { _ = s.UnmarshalBinary(bytes) })
	}
}
