package vclock

import (
	"sync"
	"testing"
	"time"
)

// naiveHLC is the paper's algorithm under a mutex, in the words of the paper.
type naiveHLC struct {
	now func() time.Time

	mu sync.Mutex
	l  int64  // guarded by mu
	c  uint32 // guarded by mu
}

func (h *naiveHLC) Now() Timestamp {
	pt := h.now().UnixNano()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.l
	h.l = max(before, pt)
	if h.l == before {
		h.c++
	} else {
		h.c = 0
	}
	return Timestamp{h.l, h.c}
}

func (h *naiveHLC) Update(m Timestamp) Timestamp {
	pt := h.now().UnixNano()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.l
	h.l = max(before, m.Wall, pt)
	switch {
	case h.l == before && h.l == m.Wall:
		h.c = max(h.c, m.Logical) + 1
	case h.l == before:
		h.c++
	case h.l == m.Wall:
		h.c = m.Logical + 1
	default:
		h.c = 0
	}
	return Timestamp{h.l, h.c}
}

// BenchmarkNow: impl=clock is what cannot be less. case=alone is one goroutine, case=crowd one for each core,
// case=behind one whose clock is behind, so that it counts.
func BenchmarkNow(b *testing.B) {
	clock, mutex := func() { _ = time.Now() }, &naiveHLC{now: time.Now}
	h, _ := NewHLC(HLCConfig{})
	behind, _ := NewHLC(HLCConfig{Floor: Timestamp{Wall: time.Now().Add(time.Hour).UnixNano()}})
	late := &naiveHLC{now: time.Now, l: time.Now().Add(time.Hour).UnixNano()}
	for _, impl := range []struct {
		name        string
		now, behind func()
	}{
		{"plinth", func() { _, _ = h.Now() }, func() { _, _ = behind.Now() }},
		{"mutex", func() { mutex.Now() }, func() { late.Now() }},
		{"clock", clock, clock},
	} {
		b.Run("impl="+impl.name+"/case=alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				impl.now()
			}
		})
		b.Run("impl="+impl.name+"/case=crowd", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					impl.now()
				}
			})
		})
		b.Run("impl="+impl.name+"/case=behind", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				impl.behind()
			}
		})
	}
}
