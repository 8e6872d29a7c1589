package hashring

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestLive(t *testing.T) {
	laws{
		make: func(nodes ...Node) (Locator, error) {
			r, err := NewRing(RingConfig{}, nodes...)
			return NewLive(r), err
		},
		golden:  0x5c4f704e254ced92, // of the ring
		spread:  1.0 / 12,
		weights: true,
	}.check(t)
}

// TestLiveFew: nothing in it, nil, a nil pointer, and itself.
//
// Planted and caught: nil stored as it is; only an untyped nil looked for; a Live stored.
func TestLiveFew(t *testing.T) {
	one := ring(t, RingConfig{}, named(1)...)
	var zero Live
	for _, l := range []*Live{&zero, NewLive(nil), NewLive((*Ring)(nil)), NewLive((*Live)(nil)), NewLive(&Live{}), NewLive(&Ring{})} {
		require.NotNil(t, l.Load())
		require.Zero(t, l.Locate("key"))
		require.Zero(t, l.LocateHash(7))
		require.Zero(t, l.Len())
		require.Empty(t, slices.Collect(l.Nodes()))
		require.Zero(t, l.Swap(one).Len())
		require.Equal(t, one, l.Swap(l), "itself")
		require.Equal(t, "node-0", l.Locate("key").Name)
		require.Equal(t, named(1), slices.Collect(l.Nodes()))
		require.Equal(t, one, l.Swap(nil))
		require.Zero(t, l.Locate("key"))
	}
}

// TestLiveUpdate: an error changes nothing, and somebody else's change is not lost.
//
// Planted and caught: Swap in place of CompareAndSwap; the Locator of the first time for the
// second call; the result of a change that failed.
func TestLiveUpdate(t *testing.T) {
	nodes := named(3)
	l := NewLive(ring(t, RingConfig{}, nodes[0]))
	wrong := errors.New("wrong")
	require.Equal(t, wrong, l.Update(func(Locator) (Locator, error) { return nil, wrong }))
	require.Equal(t, 1, l.Len())
	calls := 0
	require.NoError(t, l.Update(func(old Locator) (Locator, error) {
		if calls++; calls == 1 { // somebody else comes in between
			l.Swap(ring(t, RingConfig{}, nodes[:2]...))
		}
		if calls == 2 { // and again, with the same Locator
			l.Swap(l.Load())
		}
		return old.(*Ring).With(nodes[2])
	}))
	require.Equal(t, 3, calls)
	require.Equal(t, nodes, slices.Collect(l.Nodes()))
	require.NoError(t, l.Update(func(Locator) (Locator, error) { return nil, nil }))
	require.Zero(t, l.Len())
}

// TestLiveSize: what the comment says it costs.
func TestLiveSize(t *testing.T) {
	var one Locator
	bytes := unsafe.Sizeof(Live{}) + unsafe.Sizeof(one)
	require.Equal(t, 3*unsafe.Sizeof(uintptr(0)), bytes)
}

// counter is a Locator that only counts.
type counter struct {
	nowhere
	n int
}

func (c counter) Len() int { return c.n }

// TestLiveUpdatesAtOnce counts together: what is lost is missing in the end.
//
// Planted and caught: Swap in place of CompareAndSwap; a Load to compare, and then a Store.
func TestLiveUpdatesAtOnce(t *testing.T) {
	const writers, each = 4, 20_000
	var l Live
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_ = l.Update(func(old Locator) (Locator, error) { return counter{n: old.Len() + 1}, nil })
			}
		})
	}
	wg.Wait()
	require.Equal(t, writers*each, l.Len())
}

// TestLiveNodes: a loop over nodes sees those of its beginning.
func TestLiveNodes(t *testing.T) {
	l := NewLive(nil)
	all := l.Nodes()
	l.Swap(ring(t, RingConfig{}, named(3)...))
	var seen []Node
	for n := range all {
		l.Swap(nil)
		seen = append(seen, n)
	}
	require.Equal(t, named(3), seen)
	require.Empty(t, slices.Collect(all))
}

func TestLiveAllocatesNothing(t *testing.T) {
	for _, l := range []*Live{{}, NewLive(ring(t, RingConfig{}, named(3)...))} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			l.Locate("key")
			l.LocateHash(7)
			l.Len()
		}))
	}
}

// TestLiveStress looks up while rings come and go. All nodes of a ring are in the zone of its
// number, and there are as many as the number says: so whoever sees parts of two rings sees it.
// Others add a node each by Update meanwhile, and none of them may be missing in the end.
//
// Planted and caught, here as well: Swap in place of CompareAndSwap in Update; a Locator that
// is written through the pointer, not published with a new one.
func TestLiveStress(t *testing.T) {
	const writers, nodes, readers = 4, 25, 3
	swapped, grown := NewLive(nil), NewLive(ring(t, RingConfig{VirtualNodes: 1}))
	var readersDone, writersDone sync.WaitGroup
	var stop atomic.Bool
	for range readers {
		readersDone.Go(func() {
			last := 0
			for i := uint64(0); !stop.Load(); i += 1 << 60 {
				checkWhole(t, slices.Collect(swapped.Nodes()))
				whole := swapped.Load()
				if n := whole.LocateHash(i); whole.Len() > 0 && n.Zone != slices.Collect(whole.Nodes())[0].Zone {
					t.Errorf("%v is of another ring", n)
				}
				if n := grown.Len(); n < last {
					t.Errorf("%d nodes after %d", n, last)
				} else {
					last = n
				}
				grown.LocateHash(i)
			}
		})
	}
	for w := range writers {
		writersDone.Go(func() {
			for i := range nodes {
				number := w*nodes + i
				swapped.Swap(numbered(t, number))
				err := grown.Update(func(old Locator) (Locator, error) {
					defer runtime.Gosched() // so that somebody comes in between
					return old.(*Ring).With(Node{Name: fmt.Sprint("node-", number), Weight: 1})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writersDone.Wait()
	stop.Store(true)
	readersDone.Wait()
	require.Equal(t, writers*nodes, grown.Len(), "no update is lost")
	require.Equal(t, ring(t, RingConfig{VirtualNodes: 1}, named(writers*nodes)...), grown.Load())
}

// numbered returns a ring with a number: in the zone of its nodes, and in how many there are.
func numbered(t *testing.T, number int) *Ring {
	nodes := named(1 + number%7)
	for i := range nodes {
		nodes[i].Zone = fmt.Sprint(number)
	}
	r, err := NewRing(RingConfig{VirtualNodes: 2}, nodes...)
	if err != nil {
		t.Error(err)
	}
	return r
}

func checkWhole(t *testing.T, nodes []Node) {
	for _, n := range nodes {
		number := 0
		if _, err := fmt.Sscan(n.Zone, &number); err != nil || n.Zone != nodes[0].Zone || len(nodes) != 1+number%7 {
			t.Errorf("parts of two rings: %v", nodes)
		}
	}
}
