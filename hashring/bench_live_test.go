package hashring

import (
	"fmt"
	"sync"
	"testing"
)

// locked is a Ring behind a lock: the plain way, which Live is compared with.
type locked struct {
	mu   sync.RWMutex
	ring *Ring // guarded by mu
}

func (l *locked) Locate(key string) Node {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ring.Locate(key)
}

// BenchmarkLocateLive locates from all cores at once; impl=ring is the ring alone.
func BenchmarkLocateLive(b *testing.B) {
	keys := userKeys()
	r := ring(b, RingConfig{}, named(100)...)
	for _, c := range []struct {
		name   string
		locate func(string) Node
	}{
		{"ring", r.Locate},
		{"live", NewLive(r).Locate},
		{"rwmutex", (&locked{ring: r}).Locate},
	} {
		b.Run(fmt.Sprintf("impl=%s/n=100", c.name), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c.locate(keys[i%len(keys)])
				}
			})
		})
	}
}
