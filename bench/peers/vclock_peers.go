package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/serf/serf"
	"github.com/vmihailenco/msgpack/v5"

	ours "github.com/plinth-go/plinth/vclock"
)

const (
	implMap     = "map"      // map[string]uint64, as most Go code has it, changed in place
	implMapCopy = "map-copy" // the same, but what changes is a copy, as with ours
	implSerf    = "serf"
	implMutex   = "mutex"   // the textbook's clock under a mutex
	implJSON    = "json"    // of the map
	implMsgpack = "msgpack" // of the map
)

// clockCounts is a vector as a map.
type clockCounts map[string]uint64

func (v clockCounts) compare(w clockCounts) ours.Ordering {
	more, less := false, false
	for name, n := range v {
		m := w[name]
		more, less = more || n > m, less || n < m
	}
	for name, m := range w {
		n := v[name]
		more, less = more || n > m, less || n < m
	}
	switch {
	case more && less:
		return ours.Concurrent
	case more:
		return ours.After
	case less:
		return ours.Before
	}
	return ours.Equal
}

// merge reports whether there was anything new.
func (v clockCounts) merge(w clockCounts) (news bool) {
	for name, m := range w {
		if m > v[name] {
			v[name], news = m, true
		}
	}
	return news
}

// foreign has other strings, as if it had come over the wire.
func (v clockCounts) foreign() clockCounts {
	w := make(clockCounts, len(v))
	for name, n := range v {
		w[string([]byte(name))] = n
	}
	return w
}

// ours is the same as our Vector.
func (v clockCounts) ours() (ours.Vector, error) {
	counts := make(map[ours.ID]uint64, len(v))
	for name, n := range v {
		counts[ours.ID(name)] = n
	}
	return ours.VectorOf(counts)
}

// clockPair is two vectors in both forms, and how the first relates to the second.
type clockPair struct {
	v, w       ours.Vector
	mapV, mapW clockCounts
	order      ours.Ordering
}

// clockPairs makes one pair for each ordering. Only the numbers of two names differ; they are in the middle.
// The vectors of a pair have the same strings as names (ours: the same list), as in a process
// that copies its own clock, or each its own, as when one has come over the wire.
func clockPairs(n int, first uint64, own bool) (pairs []clockPair, err error) {
	names, counts := clockNames(namesHosts, n), make(clockCounts, n)
	for i, name := range names {
		counts[name] = first + uint64(i)
	}
	one, other := names[n/2], names[n/2-1] // the very strings: a map keeps that which it was given last
	for _, order := range []ours.Ordering{ours.Equal, ours.Before, ours.After, ours.Concurrent} {
		p := clockPair{mapV: maps.Clone(counts), mapW: maps.Clone(counts), order: order}
		if p.v, err = counts.ours(); err != nil {
			return nil, err
		}
		p.w = p.v
		if order == ours.After || order == ours.Concurrent {
			p.mapV[one]++
			_, err = p.v.Tick(ours.ID(one))
		}
		if err == nil && (order == ours.Before || order == ours.Concurrent) {
			p.mapW[other]++
			_, err = p.w.Tick(ours.ID(other))
		}
		if err == nil && own {
			p.mapW = p.mapW.foreign()
			p.w, err = p.mapW.ours()
		}
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

const (
	namesHosts = "hosts" // of one shape, numbered
	namesPods  = "pods"  // of one shape, with five letters at random, as Kubernetes makes them
	namesUUIDs = "uuids" // random: they share nothing but the first digits of neighbours
)

// clockNames makes names in their order.
func clockNames(kind string, n int) []string {
	rng := rand.New(rand.NewPCG(1, 1))
	names := map[string]bool{}
	for len(names) < n {
		name := fmt.Sprintf("eu-west-1/node-%03d", len(names))
		switch kind {
		case namesPods:
			letters := make([]byte, 5)
			for i := range letters {
				letters[i] = "bcdfghjklmnpqrstvwxz2456789"[rng.IntN(27)]
			}
			name = "orders-7f9c6d5b84-" + string(letters)
		case namesUUIDs:
			a, b := rng.Uint64(), rng.Uint64()
			name = fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&(1<<48-1))
		}
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// clockVector has numbers of up to 24 bits, each length as often as any other.
func clockVector(kind string, n int) clockCounts {
	rng := rand.New(rand.NewPCG(2, 2))
	v := make(clockCounts, n)
	for _, name := range clockNames(kind, n) {
		bits := rng.IntN(24)
		v[name] = 1<<bits | rng.Uint64N(1<<bits)
	}
	return v
}

// stampLoop does something n times and returns a number that needs what came out of it. It is a loop
// of its own in each form, so that no call through an interface is measured.
type stampLoop func(n int) (sum int)

// clockRound is how many times a loop runs until all is as at its beginning: a multiple of the pairs.
const clockRound = 16

func compareLoop(impl string, pairs []clockPair) stampLoop {
	if impl == implPlinth {
		return func(n int) (sum int) {
			for i := range n {
				p := &pairs[i%len(pairs)]
				sum += int(p.v.Compare(p.w))
			}
			return sum
		}
	}
	return func(n int) (sum int) {
		for i := range n {
			p := &pairs[i%len(pairs)]
			sum += int(p.mapV.compare(p.mapW))
		}
		return sum
	}
}

// mergeLoop merges the same again and again: ours and the copy find the same news each time. A map that is
// changed in place has them after the first time, so that it only reads from then on.
func mergeLoop(impl string, pairs []clockPair) stampLoop {
	count := func(news bool) int {
		if news {
			return 1
		}
		return 0
	}
	switch impl {
	case implPlinth:
		return func(n int) (sum int) {
			for i := range n {
				p := &pairs[i%len(pairs)]
				u := p.v
				sum += count(u.Merge(p.w)) + u.Len()
			}
			return sum
		}
	case implMapCopy:
		return func(n int) (sum int) {
			for i := range n {
				p := &pairs[i%len(pairs)]
				u := maps.Clone(p.mapV)
				sum += count(u.merge(p.mapW)) + len(u)
			}
			return sum
		}
	}
	return func(n int) (sum int) {
		for i := range n {
			p := &pairs[i%len(pairs)]
			p.mapV.merge(p.mapW)
			sum += len(p.mapV)
		}
		return sum
	}
}

// messageLoop merges what comes from one who goes on by one each time, and begins again after a round.
func messageLoop(impl string, p clockPair, own bool) (stampLoop, error) {
	names := clockNames(namesHosts, p.v.Len())
	sender := names[len(names)/2-1]
	first := p.mapV[sender]
	var sent [clockRound]ours.Vector
	var counts [clockRound]clockCounts
	for i := range sent {
		counts[i] = maps.Clone(p.mapW)
		counts[i][sender] = first + 1 + uint64(i)
		sent[i] = p.w
		_, err := sent[i].Advance(ours.ID(sender), uint64(i))
		if err == nil && own {
			counts[i] = counts[i].foreign()
			sent[i], err = counts[i].ours()
		}
		if err != nil {
			return nil, err
		}
	}
	switch impl {
	case implPlinth:
		return func(n int) (sum int) {
			var v ours.Vector
			for i := range n {
				if i%clockRound == 0 {
					v = p.v
				}
				if v.Merge(sent[i%clockRound]) {
					sum += v.Len()
				}
			}
			return sum
		}, nil
	case implMapCopy:
		return func(n int) (sum int) {
			var v clockCounts
			for i := range n {
				if i%clockRound == 0 {
					v = p.mapV
				}
				v = maps.Clone(v)
				if v.merge(counts[i%clockRound]) {
					sum += len(v)
				}
			}
			return sum
		}, nil
	}
	v := maps.Clone(p.mapV)
	return func(n int) (sum int) {
		for i := range n {
			if i%clockRound == 0 {
				v[sender] = first
			}
			if v.merge(counts[i%clockRound]) {
				sum += len(v)
			}
		}
		return sum
	}, nil
}

// tickLoop counts events of the name in the middle. With names of its own, the name is another string:
// for a map only the first time, as it then keeps that.
func tickLoop(impl string, p clockPair, own bool) stampLoop {
	names := clockNames(namesHosts, p.v.Len())
	one := names[len(names)/2]
	for name := range p.mapV {
		if !own && name == one {
			one = name
		}
	}
	switch impl {
	case implPlinth:
		v, id := p.v, ours.ID(one)
		return func(n int) (sum int) {
			for range n {
				if d, err := v.Tick(id); err == nil && d.N > 0 {
					sum++
				}
			}
			return sum
		}
	case implMapCopy:
		v := p.mapV
		return func(n int) (sum int) {
			for range n {
				v = maps.Clone(v)
				if v[one]++; v[one] > 0 {
					sum++
				}
			}
			return sum
		}
	}
	v := maps.Clone(p.mapV)
	return func(n int) (sum int) {
		for range n {
			if v[one]++; v[one] > 0 {
				sum++
			}
		}
		return sum
	}
}

// mutexLamport is the textbook's clock: what is witnessed is the least that may have been counted.
// It is safe for concurrent use.
type mutexLamport struct {
	mu   sync.Mutex
	time uint64 // guarded by mu
}

func (l *mutexLamport) tick() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time++
	return l.time
}

func (l *mutexLamport) witness(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time = max(l.time, n+1)
}

func (l *mutexLamport) now() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.time
}

// lamportTicks counts events of one clock, which the goroutines share.
func lamportTicks(impl string) stampLoop {
	switch impl {
	case implPlinth:
		var l ours.Lamport
		return func(n int) (sum int) {
			for range n {
				if now, err := l.Tick(); err == nil && now > 0 {
					sum++
				}
			}
			return sum
		}
	case implSerf:
		var l serf.LamportClock
		return func(n int) (sum int) {
			for range n {
				if l.Increment() > 0 {
					sum++
				}
			}
			return sum
		}
	}
	var l mutexLamport
	return func(n int) (sum int) {
		for range n {
			if l.tick() > 0 {
				sum++
			}
		}
		return sum
	}
}

// lamportWitnesses takes in numbers, each of which is news, unless another goroutine was faster.
func lamportWitnesses(impl string) stampLoop {
	switch impl {
	case implPlinth:
		var l ours.Lamport
		return func(n int) (sum int) {
			from := l.Now()
			for i := range uint64(n) {
				if l.Witness(from+i) == nil {
					sum++
				}
			}
			return min(sum, int(l.Now()-from))
		}
	case implSerf:
		var l serf.LamportClock
		return func(n int) int {
			from := l.Time()
			for i := range serf.LamportTime(n) {
				l.Witness(from + i)
			}
			return min(n, int(l.Time()-from))
		}
	}
	var l mutexLamport
	return func(n int) int {
		from := l.now()
		for i := range uint64(n) {
			l.witness(from + i)
		}
		return min(n, int(l.now()-from))
	}
}

// mutexHLC is the algorithm of the paper, in its words, under a mutex. It is safe for concurrent use.
type mutexHLC struct {
	mu sync.Mutex
	l  int64  // guarded by mu
	c  uint32 // guarded by mu
}

func (h *mutexHLC) now() ours.Timestamp {
	pt := time.Now().UnixNano()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.l
	h.l = max(before, pt)
	if h.l == before {
		h.c++
	} else {
		h.c = 0
	}
	return ours.Timestamp{Wall: h.l, Logical: h.c}
}

func (h *mutexHLC) update(m ours.Timestamp) ours.Timestamp {
	pt := time.Now().UnixNano()
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
	return ours.Timestamp{Wall: h.l, Logical: h.c}
}

// hybridLoop asks one clock for times, of which each is later than the one before; and implClock only reads that
// on the wall.
func hybridLoop(impl string) (stampLoop, error) {
	switch impl {
	case implPlinth:
		h, err := ours.NewHLC(ours.HLCConfig{})
		return func(n int) (sum int) {
			var last ours.Timestamp
			for range n {
				now, err := h.Now()
				if err == nil && now.Compare(last) > 0 {
					sum++
				}
				last = now
			}
			return sum
		}, err
	case implClock:
		return func(n int) (sum int) {
			for range n {
				if !time.Now().IsZero() {
					sum++
				}
			}
			return sum
		}, nil
	}
	var h mutexHLC
	return func(n int) (sum int) {
		var last ours.Timestamp
		for range n {
			now := h.now()
			if now.Compare(last) > 0 {
				sum++
			}
			last = now
		}
		return sum
	}, nil
}

// packMap writes a map as MessagePack with the shortest numbers. It has no order: package msgpack does
// not sort maps of numbers.
func packMap(v clockCounts) ([]byte, error) {
	var b bytes.Buffer
	e := msgpack.GetEncoder()
	defer msgpack.PutEncoder(e)
	e.Reset(&b)
	e.UseCompactInts(true)
	err := e.Encode(map[string]uint64(v))
	return b.Bytes(), err
}

// encodeClock writes a vector in one of the forms.
func encodeClock(impl string, v clockCounts) ([]byte, error) {
	switch impl {
	case implJSON:
		return json.Marshal(v)
	case implMsgpack:
		return packMap(v)
	}
	w, err := v.ours()
	if err != nil {
		return nil, err
	}
	return w.MarshalBinary()
}

// encodeLoop writes a vector, or reads it, again and again.
func encodeLoop(impl string, v clockCounts) (stampLoop, error) {
	w, err := v.ours()
	write := func() (int, error) { b, err := w.MarshalBinary(); return len(b), err }
	switch impl {
	case implJSON:
		write = func() (int, error) { b, err := json.Marshal(v); return len(b), err }
	case implMsgpack:
		write = func() (int, error) { b, err := packMap(v); return len(b), err }
	}
	return codeLoop(write), err
}

func decodeLoop(impl string, v clockCounts) (stampLoop, error) {
	b, err := encodeClock(impl, v)
	read := func() (int, error) { var w ours.Vector; err := w.UnmarshalBinary(b); return w.Len(), err }
	switch impl {
	case implJSON:
		read = func() (int, error) { var w clockCounts; err := json.Unmarshal(b, &w); return len(w), err }
	case implMsgpack:
		read = func() (int, error) { var w map[string]uint64; err := msgpack.Unmarshal(b, &w); return len(w), err }
	}
	return codeLoop(read), err
}

// codeLoop calls a function, which takes a nanosecond or two, and is the same for all forms.
func codeLoop(code func() (int, error)) stampLoop {
	return func(n int) (sum int) {
		for range n {
			length, err := code()
			if err != nil {
				return math.MinInt
			}
			sum += length
		}
		return sum
	}
}
