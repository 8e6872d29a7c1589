package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned when something would have to be started after Close.
var ErrClosed = errors.New("cache: closed")

var (
	errDeserted = errors.New("cache: nobody waits for this load any more") // nobody sees it
	errNoAnswer = errors.New("cache: the load returned without an answer")
)

// Flight makes concurrent calls for one key a single call: the first starts it,
// the others wait for its result. A thousand requests that miss the same key at
// once, a stampede, so cost the database one query.
//
//	A  Do(k) ── starts a goroutine ──┐ load(k)            result
//	B     Do(k) ── joins ············│··· context ends: only B gives up
//	C        Do(k) ── joins ·········└──────────────────┬─ A
//	D                                                   └─ C
//
// The load belongs to nobody: it runs on a goroutine of its own, with the values
// of the first caller's context (a trace, a user) but not its cancellation.
// Otherwise the one caller who loses patience would fail all others.
//
// To fill a cache, the load itself must look into the cache first and store the
// result last, before it returns. Both matter. Who stores the result after Do
// has returned leaves a gap: a caller who missed the cache a moment ago finds
// neither a load to join nor a value, and loads again.
//
// A Flight is safe for concurrent use.
type Flight[K comparable, V any] struct {
	// Immutable after NewFlight.
	slots   chan struct{} // a token for each load that runs; nil without a bound
	closing chan struct{} // closed by Close

	mu sync.Mutex
	// Guarded by mu.
	calls   map[K]*call[K, V]                  // those that can be joined
	former  []map[K]*call[K, V]                // those that forgetAll has taken out and that still run; none is empty
	writes  map[K]*atomic.Bool                 // see write
	flying  map[*trip[K, V]]context.CancelFunc // of the contexts of all trips
	aborted bool
	closed  bool
	trips   sync.WaitGroup // Add needs mu and not closed
}

// call is a key that somebody waits for.
type call[K comparable, V any] struct {
	trip    *trip[K, V]
	revoked *atomic.Bool // set by Forget; apart, so that who keeps it keeps no more

	// Written by the trip's goroutine before it closes done, read by others after.
	answered bool
	value    V
	err      error
	done     chan struct{}
}

// trip is one run of a load, for one key or (Loading.GetMany) for several.
type trip[K comparable, V any] struct {
	// Immutable once boarded.
	keys     []K
	calls    []*call[K, V] // of the keys
	deserted chan struct{} // closed when all have left before the start

	// Guarded by Flight.mu.
	waiters int
	started bool
}

// NewFlight returns a Flight of which at most so many loads run at once; 0 is
// for no bound.
func NewFlight[K comparable, V any](maxConcurrent int) *Flight[K, V] {
	if maxConcurrent < 0 {
		panic(fmt.Sprintf("cache: NewFlight of %d at once, want at least 0", maxConcurrent))
	}
	f := &Flight[K, V]{
		closing: make(chan struct{}),
		calls:   make(map[K]*call[K, V]),
		writes:  make(map[K]*atomic.Bool),
		flying:  make(map[*trip[K, V]]context.CancelFunc),
	}
	if maxConcurrent > 0 {
		f.slots = make(chan struct{}, maxConcurrent)
	}
	return f
}

// Do returns the result of load, or of the load for the same key that is under
// way; shared tells that it was somebody else's. A context that ends makes this
// caller give up, not the load, except when the load still waits for its turn
// and nobody else wants it. A load that panics or calls runtime.Goexit gives
// everybody a PanicError or ErrGoexit.
//
// A load must not wait for a Do with its own key, nor for Close: it would wait for
// itself. With a bound on how many run at once, it must not wait for any load.
func (f *Flight[K, V]) Do(ctx context.Context, key K, load func(context.Context) (V, error)) (value V, shared bool, err error) {
	if err := ctx.Err(); err != nil {
		return value, false, err
	}
	unending := context.WithoutCancel(ctx)
	calls, own, err := f.board(key)
	if err != nil {
		return value, false, err
	}
	if own != nil {
		f.fly(unending, own, func(ctx context.Context, t *trip[K, V]) error {
			v, err := load(ctx)
			if err == nil {
				t.calls[0].answer(v)
			}
			return err
		})
	}
	value, err = f.wait(ctx, calls[0])
	return value, own == nil, err
}

// Forget makes the next Do of the key start a load of its own, although one may
// be under way, because what that one finds is known to be out of date. Those
// who already wait for it still get its result.
func (f *Flight[K, V]) Forget(key K) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(key)
	if revoked := f.writes[key]; revoked != nil {
		revoked.Store(true)
	}
}

// forget is Forget for loads. The caller holds mu.
func (f *Flight[K, V]) forget(key K) {
	for calls := range f.generations {
		if c := calls[key]; c != nil {
			c.revoked.Store(true)
			delete(calls, key)
		}
	}
}

// forgetAll is Forget for all keys, without the mark, at a constant effort: those
// that run are put aside, where a later Forget still finds them.
func (f *Flight[K, V]) forgetAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) > 0 {
		f.former = append(f.former, f.calls)
		f.calls = make(map[K]*call[K, V])
	}
}

// generations yields every map in which a call that runs can be: no more than
// there are such calls. The caller holds mu.
func (f *Flight[K, V]) generations(yield func(map[K]*call[K, V]) bool) {
	for _, calls := range f.former {
		if !yield(calls) {
			return
		}
	}
	yield(f.calls)
}

// write returns the mark that a Forget of the key sets until written is called:
// a value that is stored for the key meanwhile may not be the newest. There is
// one writer of a key at a time.
func (f *Flight[K, V]) write(key K) (revoked *atomic.Bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	revoked = new(atomic.Bool)
	f.writes[key] = revoked
	return revoked
}

// overtake makes the loads that run forget what they find, which a writer has
// changed.
func (f *Flight[K, V]) overtake(key K) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(key)
}

func (f *Flight[K, V]) written(key K) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.writes, key)
}

// abort ends the contexts of the loads that run, and of all later ones.
func (f *Flight[K, V]) abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	for _, cancel := range f.flying {
		cancel()
	}
}

// Close waits for the loads that run. Those that still wait for their turn, and
// every later Do, end with ErrClosed.
func (f *Flight[K, V]) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.closing)
	}
	f.mu.Unlock()
	f.trips.Wait()
}

// board finds a place for each key: on a trip that is under way, or else on a
// new one, own, which the caller must let fly. It is nil if there is none.
func (f *Flight[K, V]) board(keys ...K) (calls []*call[K, V], own *trip[K, V], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, ErrClosed
	}
	calls = make([]*call[K, V], 0, len(keys))
	for _, key := range keys {
		c := f.calls[key]
		if c == nil {
			if own == nil {
				own = &trip[K, V]{deserted: make(chan struct{})}
			}
			c = &call[K, V]{trip: own, revoked: new(atomic.Bool), done: make(chan struct{})}
			own.keys, own.calls = append(own.keys, key), append(own.calls, c)
			if key == key { // a NaN could be neither joined nor deleted again
				f.calls[key] = c
			}
		}
		c.trip.waiters++
		calls = append(calls, c)
	}
	if own != nil {
		f.trips.Add(1)
	}
	return calls, own, nil
}

// fly runs a load for the keys of a trip, with a context that ends only by abort.
// The load answers the calls; those that it leaves open get the error that it
// returns.
func (f *Flight[K, V]) fly(ctx context.Context, t *trip[K, V], load func(context.Context, *trip[K, V]) error) {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	f.flying[t] = cancel
	if f.aborted {
		cancel()
	}
	f.mu.Unlock()
	go guard(func() error {
		if err := f.start(t); err != nil {
			return err
		}
		defer f.free()
		return load(ctx, t)
	}, func(err error) { f.finish(t, err) })
}

// start returns when the load may run, or says why it need not.
func (f *Flight[K, V]) start(t *trip[K, V]) error {
	if f.slots != nil {
		select {
		case f.slots <- struct{}{}:
		case <-t.deserted:
			return errDeserted
		case <-f.closing:
			return ErrClosed
		}
	}
	f.mu.Lock()
	t.started = t.waiters > 0
	f.mu.Unlock()
	if !t.started {
		f.free()
		return errDeserted
	}
	return nil
}

func (f *Flight[K, V]) free() {
	if f.slots != nil {
		<-f.slots
	}
}

// finish lets the next Do of these keys start a load, and wakes the waiters.
func (f *Flight[K, V]) finish(t *trip[K, V], err error) {
	if err == nil {
		err = errNoAnswer
	}
	f.mu.Lock()
	f.retire(t)
	f.flying[t]()
	delete(f.flying, t)
	f.mu.Unlock()
	for _, c := range t.calls {
		if !c.answered {
			c.err = err
		}
		close(c.done)
	}
	f.trips.Done()
}

// retire makes a trip one that nobody can join. After a Forget, the key may
// already belong to a later trip. The caller holds mu.
func (f *Flight[K, V]) retire(t *trip[K, V]) {
	for i, key := range t.keys {
		for calls := range f.generations {
			if calls[key] == t.calls[i] {
				delete(calls, key)
			}
		}
	}
	f.former = slices.DeleteFunc(f.former, func(calls map[K]*call[K, V]) bool { return len(calls) == 0 })
}

// answer gives a call its value. Only the trip's goroutine may.
func (c *call[K, V]) answer(value V) {
	c.value, c.answered = value, true
}

// wait returns the result of a call, or gives up when the context ends first.
func (f *Flight[K, V]) wait(ctx context.Context, c *call[K, V]) (V, error) {
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
	}
	select {
	case <-c.done: // both were ready, and one was picked by chance
		return c.value, c.err
	default:
	}
	f.leave(c.trip)
	var none V
	return none, ctx.Err()
}

// leave is what a waiter does who gives up. The last one to leave a trip that
// waits for its turn cancels it, so that under overload no queue builds up of
// loads that nobody wants.
func (f *Flight[K, V]) leave(t *trip[K, V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.waiters--; t.waiters == 0 && !t.started {
		f.retire(t)
		close(t.deserted)
	}
}
