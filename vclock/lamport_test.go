package vclock

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// naiveLamport is the rules of the paper under a mutex.
type naiveLamport struct {
	mu   sync.Mutex
	time uint64 // guarded by mu
}

func (l *naiveLamport) Tick() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time++
	return l.time
}

func (l *naiveLamport) Witness(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time = max(l.time, n+1)
}

// TestLamportSteps are those of hashicorp/serf's TestLamportClock, and then what a random run says.
// Planted and caught: a Witness that takes the number itself, or always one more than what it has.
func TestLamportSteps(t *testing.T) {
	var l Lamport
	require.Zero(t, l.Now())
	n, err := l.Tick()
	require.NoError(t, err)
	require.Equal(t, uint64(1), n)
	require.Equal(t, uint64(1), l.Now())
	for _, n := range []uint64{41, 41, 30} {
		require.NoError(t, l.Witness(n))
		require.Equal(t, uint64(42), l.Now())
	}

	r, naive := seed.New(t), naiveLamport{time: 42}
	for range 1000 {
		if r.IntN(2) == 0 {
			n, err = l.Tick()
			require.NoError(t, err)
			require.Equal(t, naive.Tick(), n)
		} else {
			n = max(l.Now(), 5) - 5 + r.Uint64N(10)
			require.NoError(t, l.Witness(n))
			naive.Witness(n)
		}
		require.Equal(t, naive.time, l.Now())
	}
}

// TestLamportEnds: it does not wrap, as some do that witness the largest number there is. Planted and caught: no
// check in Witness, one that lets MaxCount pass, a Tick that leaves a failed one counted.
func TestLamportEnds(t *testing.T) {
	var l Lamport
	_, _ = l.Tick()
	for _, n := range []uint64{MaxCount, MaxCount + 1, math.MaxUint64} {
		err := l.Witness(n)
		require.ErrorIs(t, err, ErrExhausted)
		require.EqualError(t, err, fmt.Sprintf("vclock: counter exhausted: Lamport.Witness(%d), at most 4611686018427387903", n))
		require.Equal(t, uint64(1), l.Now())
	}
	require.NoError(t, l.Witness(MaxCount-2))
	n, err := l.Tick()
	require.NoError(t, err)
	require.Equal(t, uint64(MaxCount), n)
	for range 3 {
		_, err = l.Tick()
		require.EqualError(t, err, "vclock: counter exhausted: Lamport.Tick at 4611686018427387904")
		require.Equal(t, uint64(MaxCount), l.time.Load())
	}
	require.NoError(t, l.Witness(MaxCount-1), "nothing new")

	l.time.Add(1) // what another Tick has that is about to fail
	require.Equal(t, uint64(MaxCount), l.Now())
}

// TestLamportCrowd: each number is given once, and each goroutine's grow, and are larger than what it has just
// witnessed. Planted and caught: a Tick that loads and stores.
func TestLamportCrowd(t *testing.T) {
	n := 20_000
	if form.Raced() {
		n = 3000
	}
	var l Lamport
	var sent atomic.Uint64 // of some goroutine
	numbers := make([][]uint64, 4)
	var all sync.WaitGroup
	for i := range numbers {
		all.Go(func() {
			last := uint64(0)
			for j := range n {
				if j%4 == i {
					last = max(last, sent.Load()+3)
					if l.Witness(last) != nil {
						t.Error("refused")
					}
				}
				k, err := l.Tick()
				if err != nil || k <= last || l.Now() < k {
					t.Error(k, "after", last, err)
				}
				last = k
				sent.Store(k)
				numbers[i] = append(numbers[i], k)
			}
		})
	}
	all.Wait()
	given := slices.Concat(numbers...)
	slices.Sort(given)
	require.Len(t, slices.Compact(given), 4*n)
}

// TestLamportWitnesses: of several numbers at once none gets lost. Planted and caught with the race detector: a Witness that
// stores what it saw to be more.
func TestLamportWitnesses(t *testing.T) {
	var l Lamport
	neverLess(t, func(n uint64) { _ = l.Witness(n) }, func() uint64 { return l.Now() })
}

// neverLess lets two goroutines write at the same time, one of them the larger number, round after round,
// and expects that it is there when both are done.
func neverLess(t *testing.T, write func(uint64), read func() uint64) {
	t.Helper()
	const rounds = 20_000
	var round, done atomic.Uint64
	wait := func(n *atomic.Uint64, until uint64) {
		for n.Load() < until {
			runtime.Gosched()
		}
	}
	go func() {
		for k := range uint64(rounds) {
			wait(&round, k+1)
			write(2*k + 1)
			done.Store(k + 1)
		}
	}()
	lost := 0
	for k := range uint64(rounds) {
		round.Store(k + 1)
		for range k % 64 {
			_ = round.Load() // to meet the other one at each of its steps
		}
		write(2*k + 2)
		wait(&done, k+1)
		if read() < 2*k+2 {
			lost++
		}
	}
	require.Zero(t, lost)
}

// TestLamportTimes: an order of all, with no two equal but the same. Planted and caught: a Compare of numbers alone.
func TestLamportTimes(t *testing.T) {
	sorted := []LamportTime{{1, "a"}, {1, "b"}, {2, "a"}, {2, "aa"}, {2, "b"}, {MaxCount, "a"}}
	for i, v := range sorted {
		for j, w := range sorted {
			require.Equal(t, cmp.Compare(i, j), v.Compare(w), "%v %v", v, w)
		}
	}
	require.Equal(t, "2@aa", sorted[3].String())
	require.Equal(t, `1@"x y"`, LamportTime{1, "x y"}.String())
}

// BenchmarkTick: impl=naive is a mutex, and impl=swap the loop around a compare-and-swap that Tick is not.
func BenchmarkTick(b *testing.B) {
	var l, s Lamport
	var naive naiveLamport
	for _, impl := range []struct {
		name string
		tick func() uint64
	}{
		{"plinth", func() uint64 { n, _ := l.Tick(); return n }},
		{"swap", func() uint64 {
			for {
				n := s.time.Load()
				if n == MaxCount {
					return 0
				}
				if s.time.CompareAndSwap(n, n+1) {
					return n + 1
				}
			}
		}},
		{"naive", naive.Tick},
	} {
		b.Run("impl="+impl.name+"/case=alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				impl.tick()
			}
		})
		b.Run("impl="+impl.name+"/case=crowd", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					impl.tick()
				}
			})
		})
	}
}

// BenchmarkWitness: case=known is what most messages say: nothing new.
func BenchmarkWitness(b *testing.B) {
	var l Lamport
	var naive naiveLamport
	for _, impl := range []struct {
		name    string
		witness func(uint64)
	}{
		{"plinth", func(n uint64) { _ = l.Witness(n) }},
		{"naive", naive.Witness},
	} {
		n := uint64(0)
		b.Run("impl="+impl.name+"/case=news", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n++
				impl.witness(n)
			}
		})
		b.Run("impl="+impl.name+"/case=known", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				impl.witness(1)
			}
		})
	}
}
