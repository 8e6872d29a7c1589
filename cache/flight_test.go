package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

var errDown = errors.New("the database is down")

// endings are the ways in which a load can end, and what its waiters must get.
var endings = []struct {
	name string
	end  func() (int, error)
	want func(*testing.T, int, error)
}{
	{"value", func() (int, error) { return 7, nil }, func(t *testing.T, v int, err error) {
		require.NoError(t, err)
		require.Equal(t, 7, v)
	}},
	{"error", func() (int, error) { return 7, errDown }, func(t *testing.T, v int, err error) {
		require.ErrorIs(t, err, errDown)
		require.Zero(t, v)
	}},
	{"panic", func() (int, error) { panic(errDown) }, func(t *testing.T, _ int, err error) {
		var p *cache.PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, errDown, p.Value)
		require.Contains(t, string(p.Stack), "flight_test.go", "the stack is that of the panic")
		require.ErrorIs(t, err, errDown)
	}},
	{"nil panic", func() (int, error) { panic(nil) }, func(t *testing.T, _ int, err error) {
		var p *runtime.PanicNilError
		require.ErrorAs(t, err, &p)
	}},
	{"Goexit", func() (int, error) { runtime.Goexit(); return 0, nil }, func(t *testing.T, _ int, err error) {
		require.ErrorIs(t, err, cache.ErrGoexit)
	}},
}

// However a load ends, a thousand callers get its one result and nobody hangs:
// what golang/go #41133 and #67087 report of singleflight.
//
// Planted: finish without close(c.done) after a Goexit; board without looking
// into calls.
func TestFlightEndsForEverybody(t *testing.T) {
	const callers = 1000
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := cache.NewFlight[string, int](0)
				defer f.Close()
				gate := make(chan struct{})
				var loads, shared atomic.Int64
				values, errs := make([]int, callers), make([]error, callers)
				var all sync.WaitGroup
				for i := range callers {
					all.Go(func() {
						v, joined, err := f.Do(t.Context(), "k", func(context.Context) (int, error) {
							loads.Add(1)
							<-gate
							return e.end()
						})
						values[i], errs[i] = v, err
						if joined {
							shared.Add(1)
						}
					})
				}
				synctest.Wait() // all wait for the load
				close(gate)
				all.Wait()
				require.EqualValues(t, 1, loads.Load())
				require.EqualValues(t, callers-1, shared.Load())
				for i := range callers {
					e.want(t, values[i], errs[i])
				}
			})
		})
	}
}

// The first caller gives up; the others get the value all the same, and the
// load sees the first one's values but not its end (tailscale #18919: there a
// cancelled leader failed those who had joined).
//
// Planted: fly with the caller's context.
func TestFlightOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type user struct{}
		f := cache.NewFlight[string, int](0)
		defer f.Close()
		load := func(ctx context.Context) (int, error) {
			<-time.After(3 * time.Second)
			require.Equal(t, "ann", ctx.Value(user{}))
			return 7, ctx.Err()
		}
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), user{}, "ann"), time.Second)
			defer cancel()
			_, _, err := f.Do(ctx, "k", load)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
		})
		synctest.Wait()
		all.Go(func() {
			v, shared, err := f.Do(t.Context(), "k", load)
			require.NoError(t, err)
			require.Equal(t, 7, v)
			require.True(t, shared)
			require.Equal(t, 3*time.Second, time.Since(start))
		})
		all.Wait()
	})
}

// A Forget lets a second load start; when the first ends, it does not take the
// second one's place away (golang/go #31420).
//
// Planted: retire that deletes the key whosoever it is.
func TestFlightForgetsOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := cache.NewFlight[string, int](0)
		defer f.Close()
		var all sync.WaitGroup
		do := func(want int, wantShared bool, after time.Duration) {
			all.Go(func() {
				v, shared, err := f.Do(t.Context(), "k", func(context.Context) (int, error) {
					<-time.After(after)
					return want, nil
				})
				require.NoError(t, err)
				require.Equal(t, want, v)
				require.Equal(t, wantShared, shared)
			})
			synctest.Wait()
		}
		do(1, false, 2*time.Second)
		f.Forget("k")
		do(2, false, 4*time.Second)
		<-time.After(3 * time.Second) // the first has ended
		do(2, true, 0)
		all.Wait()
	})
}

// With a bound of one, loads run one after the other. A caller who waits for a
// turn can give up, and a load that nobody wants any more never starts.
//
// Planted: start that does not look at deserted; leave without retire, which
// lets a late caller join a load that will never run.
func TestFlightBoundsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := cache.NewFlight[int, int](1)
		defer f.Close()
		var ran []int
		load := func(key int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				ran = append(ran, key) // one at a time, or the race detector complains
				<-time.After(10 * time.Second)
				return key, nil
			}
		}
		var all sync.WaitGroup
		all.Go(func() { f.Do(t.Context(), 1, load(1)) })
		synctest.Wait()
		for range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, _, err := f.Do(ctx, 2, load(2))
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		<-time.After(2 * time.Second)
		all.Go(func() {
			v, shared, err := f.Do(t.Context(), 3, load(3))
			require.NoError(t, err)
			require.Equal(t, 3, v)
			require.False(t, shared)
		})
		all.Wait()
		require.Equal(t, []int{1, 3}, ran)
		v, shared, err := f.Do(t.Context(), 2, load(2))
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.False(t, shared)
	})
}

// Close waits for the load that runs, ends those that wait for a turn, and
// refuses new ones.
//
// Planted: Close without trips.Wait; start that does not look at closing.
func TestFlightClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := cache.NewFlight[int, int](1)
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			_, _, err := f.Do(t.Context(), 1, func(context.Context) (int, error) {
				<-time.After(time.Minute)
				return 1, nil
			})
			require.NoError(t, err)
		})
		synctest.Wait()
		all.Go(func() {
			_, _, err := f.Do(t.Context(), 2, func(context.Context) (int, error) { panic("started after Close") })
			require.ErrorIs(t, err, cache.ErrClosed)
			require.Zero(t, time.Since(start))
		})
		synctest.Wait()
		f.Close()
		require.Equal(t, time.Minute, time.Since(start))
		f.Close()
		_, _, err := f.Do(t.Context(), 3, nil)
		require.ErrorIs(t, err, cache.ErrClosed)
		all.Wait()
	})
}

func TestFlightRefusesABadBound(t *testing.T) {
	require.PanicsWithValue(t, "cache: NewFlight of -1 at once, want at least 0", func() { cache.NewFlight[int, int](-1) })
}

// A context that has ended starts nothing, and a key that is not equal to itself
// is loaded for each caller and leaves nothing behind.
func TestFlightEdges(t *testing.T) {
	f := cache.NewFlight[float64, int](0)
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := f.Do(ctx, 1, func(context.Context) (int, error) { panic("started") })
	require.ErrorIs(t, err, context.Canceled)
	nan := func() float64 { var zero float64; return zero / zero }()
	v, shared, err := f.Do(t.Context(), nan, func(context.Context) (int, error) { return 7, nil })
	require.NoError(t, err)
	require.False(t, shared)
	require.Equal(t, 7, v)
}

// Without a bubble: callers come and go on real threads while loads end, fail
// and are forgotten. Everybody gets an answer that fits the key.
func TestFlightUnderLoad(t *testing.T) {
	f := cache.NewFlight[int, string](4)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				key := (g + i) % 5
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					go cancel()
				}
				v, _, err := f.Do(ctx, key, func(context.Context) (string, error) {
					if i%11 == 0 {
						return "", errDown
					}
					runtime.Gosched()
					return fmt.Sprint(key), nil
				})
				if err == nil && v != fmt.Sprint(key) {
					t.Errorf("key %d got %q", key, v)
				}
				if i%13 == 0 {
					f.Forget(key)
				}
				cancel()
			}
		})
	}
	all.Wait()
	f.Close()
}
