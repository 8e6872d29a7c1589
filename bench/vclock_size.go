package main

import (
	"encoding"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/plinth-go/plinth/vclock"
)

// What a clock takes on the wire, in its canonical bytes. First by how many replicas there are, of which each
// has counted some hundred events and knows those of all others; then by how many there ever were, where few are
// alive at a time.

// Those that captions speak of.
const (
	sizeLamport, sizeHLC     = "Lamport", "HLC"
	sizeVector, sizeContext  = "Vector", "Context, gaps"
	sizeStamp, sizeMatrix    = "Stamp", "Matrix"
	sizeJSON, sizeMsgpack    = "map, JSON", "map, MsgPack"
	sizeDotted               = "DVVSet, 3 servers"
	sizeWhoever, sizeNearest = "Stamp, to whoever", "Stamp, to the nearest"
)

// sizeReplicas are how many there are.
func sizeReplicas() []int { return []int{3, 10, 30, 100, 300, 1000} }

// countOf is how many events a replica has counted: in two bytes, and not the same for all.
func countOf(i int) uint64 { return uint64(200 + i*37%100) }

// sizeLine is a kind of clock, and its bytes for each number of sizeReplicas.
type sizeLine struct {
	name  string
	bytes []int
}

// sizeForm makes a clock of so many replicas, and says how many bytes it has.
type sizeForm struct {
	name  string
	bytes func(replicas int) (int, error)
}

func sizeForms() []sizeForm {
	return []sizeForm{
		{sizeLamport, lamportBytes},
		{sizeHLC, func(int) (int, error) { return binaryLen(vclock.Timestamp{Wall: skewEpoch().UnixNano(), Logical: 3}) }},
		{sizeStamp, bytesOfEach(fullStamp)},
		{sizeVector, bytesOfEach(fullVector)},
		{sizeMsgpack, func(n int) (int, error) {
			v, err := fullVector(n)
			return msgpackLen(v), err
		}},
		{sizeContext, bytesOfEach(gappedContext)},
		{sizeJSON, jsonBytes},
		{sizeMatrix, bytesOfEach(fullMatrix)},
	}
}

func (r *vclockResults) countSizes() error {
	for _, form := range sizeForms() {
		line := sizeLine{name: form.name}
		for _, n := range sizeReplicas() {
			bytes, err := form.bytes(n)
			if err != nil {
				return err
			}
			line.bytes = append(line.bytes, bytes)
		}
		r.sizes = append(r.sizes, line)
	}
	return nil
}

func bytesOfEach[C encoding.BinaryMarshaler](of func(replicas int) (C, error)) func(int) (int, error) {
	return func(n int) (int, error) {
		clock, err := of(n)
		if err != nil {
			return 0, err
		}
		return binaryLen(clock)
	}
}

func binaryLen(v encoding.BinaryMarshaler) (int, error) {
	b, err := v.MarshalBinary()
	return len(b), err
}

// lamportBytes is a number as large as there are events, as a varint: a Lamport clock has no form of its own.
func lamportBytes(replicas int) (int, error) {
	events := uint64(0)
	for i := range replicas {
		events += countOf(i)
	}
	return len(binary.AppendUvarint(nil, events)), nil
}

// fullVector knows all events of all replicas.
func fullVector(replicas int) (vclock.Vector, error) {
	counts := make(map[vclock.ID]uint64, replicas)
	for i := range replicas {
		counts[replicaName(i)] = countOf(i)
	}
	return vclock.VectorOf(counts)
}

// msgpackLen is how long MessagePack makes a map of names and numbers: a head of 1, 3 or 5 bytes for the map, of
// 1, 2 or more for each string, and the shortest number.
func msgpackLen(v vclock.Vector) int {
	head := func(n, fix int) int {
		switch {
		case n <= fix:
			return 1
		case n <= 0xff && fix == 31: // a string: maps have no length of one byte
			return 2
		case n <= 0xffff:
			return 3
		}
		return 5
	}
	n := head(v.Len(), 15)
	for id, count := range v.All() {
		n += head(len(id), 31) + len(id)
		switch {
		case count <= 0x7f:
			n++
		case count <= 0xff:
			n += 2
		case count <= 0xffff:
			n += 3
		case count <= 0xffff_ffff:
			n += 5
		default:
			n += 9
		}
	}
	return n
}

// jsonBytes is the map that most code has.
func jsonBytes(replicas int) (int, error) {
	v, err := fullVector(replicas)
	if err != nil {
		return 0, err
	}
	b, err := json.Marshal(maps.Collect(v.All()))
	return len(b), err
}

// gappedContext lacks one event of each replica, and has the one after that.
func gappedContext(replicas int) (vclock.Context, error) {
	var spans []vclock.Span
	for i := range replicas {
		id, n := replicaName(i), countOf(i)
		spans = append(spans, vclock.Span{ID: id, From: 1, To: n - 2}, vclock.Span{ID: id, From: n, To: n})
	}
	return vclock.ContextOf(spans...)
}

// fullMatrix has for each replica what fullVector knows, and some events of its own.
func fullMatrix(replicas int) (m vclock.Matrix, err error) {
	base, err := fullVector(replicas)
	for i := 0; i < replicas && err == nil; i++ {
		err = m.Join(replicaName(i), base) // who joins must know what all know
	}
	for i := 0; i < replicas && err == nil; i++ {
		knows := base
		if _, err = knows.Advance(replicaName(i), uint64(1+i%5)); err == nil {
			_, err = m.Observe(replicaName(i), knows)
		}
	}
	return m, err
}

// fullStamp is the Stamp of one that knows all, where all have come from forks that halve what there is.
func fullStamp(replicas int) (s vclock.Stamp, err error) {
	all := forked(replicas)
	for i := range all {
		for range countOf(i) {
			if all[i], err = all[i].Event(); err != nil {
				return s, err
			}
		}
	}
	return knowsAll(all, 0)
}

// forked are so many stamps, of which each has forked as often as the others, or once more.
func forked(n int) []vclock.Stamp {
	queue := []vclock.Stamp{vclock.Seed()}
	for len(queue) < n {
		a, b := queue[0].Fork()
		queue = append(queue[1:], a, b)
	}
	return queue
}

// knowsAll is what one of them is when it has heard from all.
func knowsAll(all []vclock.Stamp, who int) (s vclock.Stamp, err error) {
	s = all[who]
	for i := 0; i < len(all) && err == nil; i++ {
		s, err = vclock.Join(s, all[i].Peek())
	}
	return s, err
}

// churnAlive are alive at a time.
const churnAlive = 16

// churnEver are how many there have been when it is looked at the clocks.
func churnEver() []int { return []int{16, 32, 64, 128, 256, 512, 1024} }

// churnLine is a kind of clock, and its bytes for each number of churnEver.
type churnLine struct {
	name  string
	bytes []int
}

// churnPlay is a group in which one leaves and another comes, again and again. It is not safe for concurrent use.
type churnPlay struct {
	chance *rand.Rand
	ever   int
	names  []vclock.ID // of those who are alive
	known  vclock.Vector

	whoever, nearest []vclock.Stamp // the same replicas, who leave what they own to one or the other

	stores []vclock.DVVSet[uint64] // of three servers: the replicas are their clients
}

// countChurn plays it until there have been as many as there are to be, with one seed.
func (r *vclockResults) countChurn() error {
	p := &churnPlay{
		chance: rand.New(rand.NewPCG(1, 1)), ever: churnAlive,
		whoever: forked(churnAlive), nearest: forked(churnAlive), stores: make([]vclock.DVVSet[uint64], 3),
	}
	for i := range churnAlive {
		p.names = append(p.names, replicaName(i))
		if err := p.acts(i); err != nil {
			return err
		}
	}
	r.churns = []churnLine{{name: sizeVector}, {name: sizeWhoever}, {name: sizeNearest}, {name: sizeDotted}, {name: sizeHLC}, {name: sizeLamport}}
	for _, until := range churnEver() {
		for p.ever < until {
			if err := p.turn(); err != nil {
				return err
			}
		}
		bytes, err := p.bytes()
		if err != nil {
			return err
		}
		for i, n := range bytes {
			r.churns[i].bytes = append(r.churns[i].bytes, n)
		}
	}
	return nil
}

// turn lets one leave, and another come, who is forked from any; and all do something.
func (p *churnPlay) turn() (err error) {
	leaves := p.chance.IntN(churnAlive)
	stays := p.chance.IntN(churnAlive - 1)
	if stays >= leaves {
		stays++
	}
	if err = leave(p.whoever, leaves, stays); err != nil {
		return err
	}
	near, err := nearestTo(p.nearest, leaves)
	if err != nil {
		return err
	}
	if err = leave(p.nearest, leaves, near); err != nil {
		return err
	}
	parent := p.chance.IntN(churnAlive - 1)
	if parent >= leaves {
		parent++
	}
	p.whoever[parent], p.whoever[leaves] = p.whoever[parent].Fork()
	p.nearest[parent], p.nearest[leaves] = p.nearest[parent].Fork()
	p.names[leaves] = replicaName(p.ever)
	p.ever++
	for i := range churnAlive {
		if err := p.acts(i); err != nil {
			return err
		}
	}
	return nil
}

// leave joins one to another. Its place is free for the next then.
func leave(all []vclock.Stamp, leaves, stays int) (err error) {
	all[stays], err = vclock.Join(all[stays], all[leaves])
	return err
}

// nearestTo finds the one with whom a stamp is the smallest, once both are one.
func nearestTo(all []vclock.Stamp, leaves int) (nearest int, err error) {
	least := 0
	for i := range all {
		if i == leaves {
			continue
		}
		both, err := vclock.Join(all[i], all[leaves])
		if err != nil {
			return 0, err
		}
		n, err := binaryLen(both)
		if err != nil {
			return 0, err
		}
		if least == 0 || n < least {
			nearest, least = i, n
		}
	}
	return nearest, nil
}

// acts hears of another, counts an event, and writes at a server what it has read there.
func (p *churnPlay) acts(i int) (err error) {
	from := p.chance.IntN(churnAlive)
	for _, all := range [][]vclock.Stamp{p.whoever, p.nearest} {
		if all[i], err = vclock.Join(all[i], all[from].Peek()); err != nil {
			return err
		}
		if all[i], err = all[i].Event(); err != nil {
			return err
		}
	}
	if _, err = p.known.Tick(p.names[i]); err != nil {
		return err
	}
	at := p.chance.IntN(len(p.stores))
	if err = p.stores[at].Put(p.stores[at].Context(), replicaName(at), uint64(p.ever)); err != nil {
		return err
	}
	p.stores[(at+1)%len(p.stores)].Merge(p.stores[at])
	return nil
}

// bytes are those of each line, for one who knows all.
func (p *churnPlay) bytes() (bytes []int, err error) {
	whoever, err1 := knowsAll(p.whoever, 0)
	nearest, err2 := knowsAll(p.nearest, 0)
	for _, err := range []error{err1, err2} {
		if err != nil {
			return nil, err
		}
	}
	now := vclock.Timestamp{Wall: skewEpoch().Add(time.Duration(p.ever) * time.Second).UnixNano(), Logical: 3}
	for _, clock := range []encoding.BinaryMarshaler{p.known, whoever, nearest} {
		n, err := binaryLen(clock)
		if err != nil {
			return nil, err
		}
		bytes = append(bytes, n)
	}
	dotted, err := p.stores[0].Encode(nil, vclock.Uint64Codec{})
	if err != nil {
		return nil, err
	}
	hlc, err := binaryLen(now)
	events := uint64(0)
	for _, n := range p.known.All() {
		events += n
	}
	return append(bytes, len(dotted), hlc, len(binary.AppendUvarint(nil, events))), err
}
