package vclock

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDrift says that a Timestamp from elsewhere is too far ahead of the clock here.
var ErrDrift = errors.New("vclock: too far in the future")

// HLC is a hybrid logical clock: a Lamport clock whose numbers are times. Each event gets the time of the
// clock on the wall if that is later than all that it knows of, and otherwise the latest that it
// knows of, with one more in Logical.
//
//	now            a message says            the event gets
//	10:07          10:05                     10:07       the clock is ahead: as if there were nothing else
//	10:04          10:05                     10:05+1     the sender's is: this event is later than his
//	10:06          10:05                     10:06       until the clock has caught up
//
// So what happened before has the smaller Timestamp, as with Lamport, and each Timestamp is
// some clock's time: it is ahead of a right one by no more than the wrongest clock that
// it heard of. (Kulkarni, Demirbas, Madappa, Avva and Leone: Logical Physical Clocks, 2014.)
//
// A clock may step back: time stands still until it is there again, and Logical counts. It may step forward:
// then so does time, and if the clock comes back, time does not, for there are events already. The
// danger is a restart in between, which forgets them: see Reserve. A clock elsewhere may be wrong by
// days: what is more than MaxDrift ahead is refused before anything has changed. If Logical is at its end, Wall goes
// on by a nanosecond. To fail instead would stop a process until its clock has caught up, and for what: 4,294,967,296
// events later it is wrong by one nanosecond.
//
//	Now        a read of the clock, and one compare-and-swap if it is ahead; otherwise a mutex
//	Update     the same
//	memory     72 bytes
//	bad at     finding conflicts: it has an order for any two events
//
// HLC is safe for concurrent use.
type HLC struct {
	// Immutable.
	now      func() time.Time
	maxDrift int64

	// The latest Wall. It never gets less. While the clock is ahead of it, Logical is 0, so that this is all there is, and
	// one compare-and-swap makes a Timestamp. Whoever finds that the clock is not takes the mutex, and counts in tie.
	// (A mutex for all is impl=mutex of BenchmarkNow: a tenth slower at least, but where the clock is behind.)
	word atomic.Uint64 // an hlcWord

	// What the clock here showed last, if word is ahead of it. Set with mu, read before
	// the clock is, so that it is older.
	shown atomic.Int64

	mu   sync.Mutex
	tie  Timestamp // guarded by mu: the latest, if its Wall is that of word; otherwise that is, with a Logical of 0
	skew Skew      // guarded by mu
}

// hlcWord is Wall, which is not negative, and in the lowest bit whether it is ahead of the clock here:
// from elsewhere, or from before the clock stepped back.
type hlcWord uint64

func newWord(wall int64, ahead bool) hlcWord {
	if ahead {
		return hlcWord(wall)<<1 | 1
	}
	return hlcWord(wall) << 1
}

func (w hlcWord) wall() int64 { return int64(w >> 1) }
func (w hlcWord) ahead() bool { return w&1 != 0 }

// HLCConfig says how an HLC is to be. The zero HLCConfig is a good one, but for Floor after a restart. It is a plain
// value: safe for concurrent use as long as nobody changes it.
type HLCConfig struct {
	// Now reads the clock. The nil func is time.Now. It is called without a lock, by all who call
	// the HLC.
	Now func() time.Time

	// MaxDrift is how far ahead of the clock here a Timestamp from elsewhere may be: at least as far as
	// two clocks ever differ. 0 is 500 ms.
	MaxDrift time.Duration

	// Floor is what all Timestamps are to be later than: what Reserve had returned before a restart.
	// MaxDrift is not asked.
	Floor Timestamp
}

// Skew is what an HLC has seen of its own clock. It is a value, and safe for concurrent use.
type Skew struct {
	Jumps   uint64        // how often the clock showed less than just before
	Largest time.Duration // by how much, at most
}

// NewHLC returns one whose Timestamps are later than Floor.
func NewHLC(c HLCConfig) (*HLC, error) {
	h := &HLC{now: c.Now, maxDrift: int64(c.MaxDrift)}
	switch {
	case c.MaxDrift < 0:
		return nil, fmt.Errorf("vclock: NewHLC: a MaxDrift of %v: want 0 or more", c.MaxDrift)
	case c.MaxDrift == 0:
		h.maxDrift = int64(500 * time.Millisecond)
	}
	if c.Now == nil {
		h.now = time.Now
	}
	if c.Floor.Wall >= 0 {
		h.tie = c.Floor
	}
	h.word.Store(uint64(newWord(h.tie.Wall, true)))
	return h, nil
}

// Now returns the Timestamp of an event: later than all that were returned before, and than those
// of Update. It fails with ErrExhausted in the year 2262.
func (h *HLC) Now() (Timestamp, error) {
	before := h.before()
	wall, err := h.read()
	if err != nil {
		return Timestamp{}, err
	}
	if h.advance(wall) {
		return Timestamp{Wall: wall}, nil
	}
	return h.count(before, wall, Timestamp{})
}

// Update returns the Timestamp of the receipt of a message: later than the message's, and than all that were
// returned before. If that of the message is more than MaxDrift ahead of the clock it fails with ErrDrift, and
// the message had better be dropped: what is done because of it would have an earlier time than it.
func (h *HLC) Update(remote Timestamp) (Timestamp, error) {
	before := h.before()
	wall, err := h.read()
	if err != nil {
		return Timestamp{}, err
	}
	if remote.Wall > wall && remote.Wall-wall > h.maxDrift {
		return Timestamp{}, fmt.Errorf("%w: %v is %v ahead of the clock, at most %v",
			ErrDrift, remote, time.Duration(remote.Wall-wall), time.Duration(h.maxDrift))
	}
	if wall > remote.Wall && h.advance(wall) {
		return Timestamp{Wall: wall}, nil
	}
	return h.count(before, wall, remote)
}

// Last returns the latest Timestamp that there was, and Floor if there was none.
func (h *HLC) Last() Timestamp {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last(hlcWord(h.word.Load()))
}

// Reserve returns a Timestamp that is ahead of now by so much. Write it to disk; after a restart, it is Floor, and all
// is later than whatever was there before, however far back the clock is by then. Call it
// again before the time is up. And if the clock has stepped forward, a Timestamp may be later than what
// is on disk: then nobody must get to see it before the next Reserve is there too.
//
// After a restart, Timestamps are ahead of the clock by as much as is left of it. So take less than MaxDrift
// of the others, or wait for the clock.
func (h *HLC) Reserve(ahead time.Duration) Timestamp {
	t := h.Last()
	if wall, err := h.read(); err == nil && wall > t.Wall {
		t = Timestamp{Wall: wall}
	}
	if ahead > 0 {
		t.Wall += min(int64(ahead), math.MaxInt64-t.Wall)
	}
	return t
}

// Skew returns how often the clock here has stepped back, as far as anybody asked, and how far.
func (h *HLC) Skew() Skew {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.skew
}

// before returns what the clock is known to have shown already. Whoever reads it now, and sees less, knows
// that it has stepped back. Of two that read it at the same time, the one who comes later with
// the smaller number knows nothing of the kind.
func (h *HLC) before() int64 {
	if w := hlcWord(h.word.Load()); !w.ahead() {
		return w.wall()
	}
	return h.shown.Load()
}

// read returns the time by the clock. Before 1970 it is 0, as if it stood still.
func (h *HLC) read() (int64, error) {
	now := h.now()
	switch seconds := now.Unix(); {
	case seconds < 0:
		return 0, nil
	case seconds >= math.MaxInt64/int64(time.Second):
		return 0, fmt.Errorf("%w: the clock shows %v", ErrExhausted, now)
	}
	return now.UnixNano(), nil
}

// advance takes the time of the clock if it is later than all others.
func (h *HLC) advance(wall int64) bool {
	for {
		w := h.word.Load()
		if wall <= hlcWord(w).wall() {
			return false
		}
		if h.word.CompareAndSwap(w, uint64(newWord(wall, false))) {
			return true
		}
	}
}

// count makes a Timestamp when the clock is ahead of neither word nor remote. The others that are here wait for the
// mutex; those in advance do not, so word may change, but then it only gets later than all that is made here.
func (h *HLC) count(before, wall int64, remote Timestamp) (Timestamp, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(before, wall)
	for {
		w := hlcWord(h.word.Load())
		next, err := following(h.last(w), remote)
		if err != nil {
			return Timestamp{}, err
		}
		if next.Wall == w.wall() || h.swap(w, next.Wall, wall) {
			h.tie = next
			return next, nil
		}
	}
}

// following returns what comes after both, for a clock that is ahead of neither. The paper has a case for each that
// may have the larger Wall, and one for both; but the next after the larger of two pairs is just that.
func following(last, remote Timestamp) (Timestamp, error) {
	latest := last
	if remote.Compare(last) > 0 {
		latest = remote
	}
	switch {
	case latest.Logical < math.MaxUint32:
		return Timestamp{latest.Wall, latest.Logical + 1}, nil
	case latest.Wall < math.MaxInt64:
		return Timestamp{Wall: latest.Wall + 1}, nil
	}
	return Timestamp{}, fmt.Errorf("%w: HLC at %v", ErrExhausted, latest)
}

// note sees whether the clock shows less than it did before, and counts that once: whoever finds that it is
// known already leaves it at that. Called with mu.
func (h *HLC) note(before, wall int64) {
	w, shown := hlcWord(h.word.Load()), h.shown.Load()
	switch {
	case wall >= before:
		if w.ahead() && shown >= before {
			h.shown.Store(max(shown, wall))
		}
		return
	case w.ahead() && shown == before:
		h.shown.Store(wall)
	case w == newWord(before, false):
		h.shown.Store(wall)
		h.word.CompareAndSwap(uint64(w), uint64(newWord(before, true))) // if it fails, the clock is ahead of that again
	default:
		return
	}
	h.skew.Jumps++
	h.skew.Largest = max(h.skew.Largest, time.Duration(before-wall))
}

// last returns the latest Timestamp when the word was w. Called with mu.
func (h *HLC) last(w hlcWord) Timestamp {
	if h.tie.Wall == w.wall() {
		return h.tie
	}
	return Timestamp{Wall: w.wall()}
}

// swap sets the word to a later Wall, which is what the clock shows, or ahead of it. Called with mu.
func (h *HLC) swap(w hlcWord, to, wall int64) bool {
	if to != wall && !w.ahead() {
		h.shown.Store(max(w.wall(), wall))
	}
	return h.word.CompareAndSwap(uint64(w), uint64(newWord(to, to != wall)))
}
