package main

import (
	"bytes"
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	ours "github.com/plinth-go/plinth/vclock"
)

// TestClockPairs: both forms of a pair say the same, and their names are the same strings or others. Planted and
// caught: foreign names that are not, and a map that was given another string of a name when it was changed.
func TestClockPairs(t *testing.T) {
	for _, own := range []bool{false, true} {
		pairs, err := clockPairs(7, 1000, own)
		require.NoError(t, err)
		require.Len(t, pairs, 4)
		require.Zero(t, clockRound%len(pairs))
		for _, p := range pairs {
			require.Equal(t, p.order, p.v.Compare(p.w))
			require.Equal(t, p.order.Reverse(), p.w.Compare(p.v))
			require.Equal(t, p.order, p.mapV.compare(p.mapW))
			require.Equal(t, p.order.Reverse(), p.mapW.compare(p.mapV))
			require.Equal(t, 7, p.w.Len())
			at := map[string]*byte{}
			for id, n := range p.v.All() {
				require.Equal(t, n, p.mapV[string(id)])
				at[string(id)] = unsafe.StringData(string(id))
			}
			for id, n := range p.w.All() {
				require.Equal(t, n, p.mapW[string(id)])
				require.Equal(t, !own, unsafe.StringData(string(id)) == at[string(id)])
			}
			for name := range p.mapW {
				require.Equal(t, !own, unsafe.StringData(name) == at[name])
			}
		}
	}
}

// TestClockLoops proves that each form does the work that is measured. Planted and caught: a merge of what is
// less, a copy that is none, a witness of half the numbers, merges of other pairs.
func TestClockLoops(t *testing.T) {
	pairs, err := clockPairs(16, 1000, true)
	require.NoError(t, err)
	for _, impl := range vectorSpeed().impls {
		for _, own := range []bool{false, true} {
			require.Equal(t, 48, tickLoop(impl, pairs[0], own)(48), impl)
		}
		require.Equal(t, map[string]int{implPlinth: 4 * 17, implMapCopy: 4 * 17, implMap: 4 * 16}[impl], mergeLoop(impl, pairs[3:])(4), impl)
		if impl == implMap {
			require.Equal(t, ours.After, pairs[3].mapV.compare(pairs[3].mapW), "merged in place")
		} else {
			require.Equal(t, ours.Concurrent, pairs[3].mapV.compare(pairs[3].mapW), "left alone by %s", impl)
			require.Equal(t, ours.Concurrent, pairs[3].v.Compare(pairs[3].w))
		}
		pairs, err = clockPairs(16, 1000, true)
		require.NoError(t, err)
		require.Equal(t, 4*(0+1+2+3), compareLoop(impl, pairs)(clockRound), impl)
		require.Equal(t, 32, mergeLoop(impl, []clockPair{pairs[0], pairs[2]})(2), impl)
	}
	for _, impl := range lamportSpeed().impls {
		require.Equal(t, 100, lamportTicks(impl)(100), impl)
		loop := lamportWitnesses(impl)
		require.Equal(t, 100, loop(100), impl)
		require.Equal(t, 50, loop(50), impl)
	}
	for _, impl := range hybridSpeed().impls {
		loop, err := hybridLoop(impl)
		require.NoError(t, err)
		require.Equal(t, 1000, loop(1000), impl)
	}
	for op, want := range map[string]int{"compare": 4 * 6, "merge": 16 * 17, "large": 16 * 17, "known": 16 * 16, "tick": 16} {
		loop, err := openVector(implPlinth, op, 16, false)
		require.NoError(t, err)
		require.Equal(t, want, loop(clockRound), op)
	}
	require.Greater(t, firstOf("large"), uint64(1)<<31-1, "or it is the same as merge")
	_, err = openVector(implMapCopy, "compare", 3, false)
	require.True(t, errors.Is(err, errNotThere))
}

// TestClockCounts: a map compares also what only one of the two has. Planted and caught: one that walks the first only.
func TestClockCounts(t *testing.T) {
	a, b, ab := clockCounts{"a": 1}, clockCounts{"b": 1}, clockCounts{"a": 1, "b": 1}
	require.Equal(t, ours.Before, a.compare(ab))
	require.Equal(t, ours.After, ab.compare(b))
	require.Equal(t, ours.Concurrent, a.compare(b))
	require.Equal(t, ours.Equal, ab.compare(ab.foreign()))
	require.True(t, a.merge(b))
	require.Equal(t, ab, a)
	require.False(t, a.merge(b))
}

// TestClockTextbook holds the two clocks under a mutex to ours. Planted and caught: an update that forgets the
// message's count, a count that stands still, a witness of one less.
func TestClockTextbook(t *testing.T) {
	var l ours.Lamport
	var m mutexLamport
	for _, n := range []uint64{0, 7, 3, 8, 8, 20} {
		require.NoError(t, l.Witness(n))
		m.witness(n)
		require.Equal(t, l.Now(), m.now())
		tick, err := l.Tick()
		require.NoError(t, err)
		require.Equal(t, tick, m.tick())
	}
	var h mutexHLC
	ahead := ours.Timestamp{Wall: time.Now().Add(time.Hour).UnixNano(), Logical: 5}
	require.Equal(t, ours.Timestamp{Wall: ahead.Wall, Logical: 6}, h.update(ahead))
	require.Equal(t, ours.Timestamp{Wall: ahead.Wall, Logical: 7}, h.now())
	require.Equal(t, ours.Timestamp{Wall: ahead.Wall, Logical: 8}, h.update(ours.Timestamp{}))
	ahead.Logical = 20
	require.Equal(t, ours.Timestamp{Wall: ahead.Wall, Logical: 21}, h.update(ahead))
}

// TestClockForms: each form gives back what was written.
func TestClockForms(t *testing.T) {
	for _, kind := range (clockSizes{}).kinds() {
		v := clockVector(kind, 16)
		require.Len(t, v, 16)
		for _, impl := range codeImpls() {
			b, err := encodeClock(impl, v)
			require.NoError(t, err)
			write, err := encodeLoop(impl, v)
			require.NoError(t, err)
			require.Equal(t, 3*len(b), write(3), impl)
			read, err := decodeLoop(impl, v)
			require.NoError(t, err)
			require.Equal(t, 3*16, read(3), impl)
		}
	}
}

// TestClockSizes: at most half of JSON's bytes, and no more than MessagePack's. Planted and caught: MessagePack without its
// short numbers.
func TestClockSizes(t *testing.T) {
	want := map[string][][3]int{ // in the order of clockLengths and codeImpls
		namesHosts: {{32, 75, 63}, {101, 420, 357}, {1376, 6720, 5667}},
		namesPods:  {{36, 90, 78}, {140, 500, 437}, {1863, 8000, 6947}},
		namesUUIDs: {{58, 129, 120}, {307, 708, 661}, {4847, 11328, 10531}},
	}
	for kind, rows := range want {
		for i, n := range clockLengths() {
			for j, impl := range codeImpls() {
				b, err := encodeClock(impl, clockVector(kind, n))
				require.NoError(t, err)
				require.Len(t, b, rows[i][j], "%d %s by %s", n, kind, impl)
			}
			require.LessOrEqual(t, 2*rows[i][0], rows[i][1])
			require.LessOrEqual(t, rows[i][0], rows[i][2])
		}
	}
}

// TestClockFacts holds what becomes of each. Planted and caught: a year that is none, a clock at 5 that is
// at 4, bytes with nothing after their end.
func TestClockFacts(t *testing.T) {
	want := map[string][]string{ // in the order of clockFacts.impls
		"a Lamport clock at 5 witnesses 2⁶⁴-1": {"refused", "-", "it is at 5", "it is at 0", "-", "-"},
		"a message comes from a year ahead":    {"refused", "-", "a year ahead", "-", "-", "-"},
		"a copy of a vector ticks":             {"it has 1", "it has 2", "-", "-", "-", "-"},
		"one of two equal vectors has a 0":     {"same bytes", "-", "-", "-", "other bytes", "other bytes"},
		"a vector is written 64 times":         {"same bytes", "-", "-", "-", "same bytes", "other bytes"},
		"bytes say a:1 and then a:2":           {"refused", "-", "-", "-", "a:2", "a:2"},
		"bytes come after the end":             {"refused", "-", "-", "-", "refused", "a:1"},
	}
	require.Len(t, want, len(clockFacts{}.facts()))
	for _, fact := range (clockFacts{}).facts() {
		for i, impl := range (clockFacts{}).impls() {
			end, err := fact.end(impl)
			require.NoError(t, err)
			require.Equal(t, want[fact.name][i], end, "%s by %s", fact.name, impl)
		}
	}
}

// TestClockComparisons makes the tables, with little work.
func TestClockComparisons(t *testing.T) {
	for pattern, rows := range map[string]int{
		"Vclock/.*n=3/": 12, "VclockLamport": 4, "VclockHLC": 2, "VclockEncode/.*n=3$": 4, "VclockSize": 9, "VclockFacts": 7,
	} {
		var out, progress bytes.Buffer
		args := []string{"-run", pattern, "-rounds", "1", "-scale", "0.01", "-dir", t.TempDir()}
		require.Zero(t, program(t.Context(), args, &out, &progress), progress.String())
		require.Equal(t, rows, bytes.Count(out.Bytes(), []byte(" Vclock")), out.String())
		if pattern == "VclockSize" {
			require.Regexp(t, `VclockSize/names=pods/n=256 +1863 +8000 +6947`, out.String())
		}
	}
}
