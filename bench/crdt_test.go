package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

func quietCrdt() *crdtResults {
	s := &session{profile: tiny()[0], again: func(string) string { return "go run" }, progress: newProgress(new(bytes.Buffer))}
	return &crdtResults{s: s}
}

// TestCrdtRun looks at what the program leaves; that the numbers are right, TestPicturesOfCrdt looks at.
func TestCrdtRun(t *testing.T) {
	notRaced(t)
	o := bench(t, t.Context(), "crdt")
	require.Equal(t, exitOK, o.code, o.stderr)
	testPages(t, o, 6, 6)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	kinds, sets := len(crdtKinds()), len(churnNames(false))+len(churnNames(true))
	require.Len(t, back.Results, kinds*(len(crdtChanges())+1+len(crdtReplicas()))+len(trafficWays())*len(trafficSizes())+
		sets*len(churnAdds())+4*len(awayMissed())+len(logNames())*(logEnds+1))
	for _, r := range back.Results {
		require.Equal(t, "simulation", r.Load)
		require.Zero(t, r.PerSecond, "no time")
	}
	for _, want := range []report.Result{
		{Experiment: "crdt/size/type=ORSet", Metrics: map[string]float64{"replicas": 3, "changes": 10_000, "bytes": 1821}},
		{Experiment: "crdt/deltas/type=ORSet", Metrics: map[string]float64{"replicas": 3, "changes": 10_000, "delta_bytes_median": 31, "delta_bytes_max": 33}},
		{Experiment: "crdt/replicas/type=GCounter", Metrics: map[string]float64{
			"replicas": 64, "changes": 2000, "bytes": 221, "delta_bytes_median": 10, "delta_bytes_max": 11,
		}},
		{Experiment: "crdt/traffic/sent=" + bySync, Metrics: map[string]float64{
			"replicas": 3, "elements": 100, "state_bytes": 1718, "rounds": 5, "bytes": 3258, "bytes_per_change": 108.6,
		}},
		{Experiment: "crdt/churn/set=ORSet/the-same-again", Metrics: map[string]float64{"elements": 200, "additions_per_element": 100, "bytes": 3619}},
		{Experiment: "crdt/away/by=" + catchReplica, Metrics: map[string]float64{
			"missed": 1100, "bytes": 13_091, "deltas_kept": 1100, "log_bytes": 71_788, "full": 1,
		}},
		{Experiment: "crdt/log/run=" + logForgot, Metrics: map[string]float64{"meeting": 80, "deltas": 0, "log_bytes": 0, "behind": 0}},
		{Experiment: "crdt/log/run=" + logKept, Metrics: map[string]float64{"meeting": 40, "deltas": 420, "log_bytes": 27_442, "behind": 1}},
	} {
		want.Load, want.Workers, want.Rounds = "simulation", 1, 1
		require.Contains(t, back.Results, want)
	}
}

// testCrdtSizes: exact.
func testCrdtSizes(t *testing.T, r *crdtResults) {
	want := map[string][]int{ // states by changes, the median delta and the largest one; states by replicas
		nameGCounter:    {16, 18, 19, 19, 11, 11, 11, 19, 71, 221},
		namePNCounter:   {28, 31, 37, 37, 12, 12, 21, 37, 141, 397},
		nameBounded:     {60, 80, 86, 92, 75, 84, 23, 86, 898, 2302},
		nameCausal:      {27, 30, 36, 39, 20, 21, 18, 36, 121, 457},
		nameLWWRegister: {33, 33, 33, 33, 33, 33, 33, 33, 33, 33},
		nameMVRegister:  {34, 34, 38, 38, 32, 38, 30, 38, 73, 217},
		nameEWFlag:      {20, 20, 24, 24, 15, 18, 16, 24, 59, 203},
		nameDWFlag:      {21, 21, 25, 25, 19, 25, 17, 25, 60, 204},
		nameGSet:        {142, 1402, 14_003, 140_003, 16, 16, 28_003, 28_003, 28_003, 28_003},
		nameTwoPSet:     {143, 1403, 7704, 70_704, 17, 17, 14_704, 14_704, 14_704, 14_704},
		nameLWWSet:      {265, 2515, 13_766, 126_266, 36, 36, 26_262, 26_266, 26_292, 26_388},
		nameRWSet:       {198, 1818, 10_330, 95_830, 34, 40, 19_950, 19_830, 18_958, 19_102},
		nameORSet:       {188, 1718, 1821, 1821, 31, 33, 1813, 1821, 1757, 1901},
		nameORMap:       {258, 2418, 2521, 2521, 38, 40, 2513, 2521, 2457, 2601},
	}
	require.Len(t, r.sizes, len(want))
	for _, s := range r.sizes {
		got := append(append([]int{}, s.states...), s.deltas.median, s.deltas.most)
		for _, of := range s.ofReplicas {
			got = append(got, of.state)
			require.LessOrEqual(t, of.deltas.median, of.deltas.most)
		}
		require.Equal(t, want[s.name], got, s.name)
	}
	for name, want := range map[string]deltaSizes{nameGCounter: {10, 11}, nameORSet: {29, 31}, nameBounded: {1102, 2113}} {
		require.Equal(t, want, r.shared(name, 64).deltas, name)
	}
}

// testCrdtTraffic: exact; full states grow with the set, deltas hardly.
func testCrdtTraffic(t *testing.T, r *crdtResults) {
	want := map[string][]int{
		byStates: {5640, 51_540, 529_440, 5_389_440},
		bySync:   {3258, 3258, 3483, 3483},
		byBuffer: {1116, 1086, 1206, 1206},
	}
	for _, way := range trafficWays() {
		for i, n := range trafficSizes() {
			c := r.traffic(way, n)
			require.Equal(t, want[way][i], c.bytes, "%s, %d", way, n)
			require.Equal(t, []int{188, 1718, 17_656, 179_656}[i], c.state)
			if way == byStates && n >= 100 {
				require.InEpsilon(t, 6*c.state, c.round(), 0.01, "three send it to two others")
			}
		}
	}
}

// testCrdtChurn: exact. Where the same element comes back it is the set of TestORSetSize in package crdt.
func testCrdtChurn(t *testing.T, r *crdtResults) {
	for again, want := range map[bool]map[string][]int{
		false: {
			nameTombstones: {3434, 11_399, 40_709, 124_685, 418_678},
			nameLWWSet:     {5016, 15_016, 50_016, 150_016, 500_017},
			nameRWSet:      {3619, 11_194, 37_824, 113_830, 379_834},
			nameTwoPSet:    {2804, 8405, 28_005, 84_005, 280_006},
			nameBareTombs:  {3434, 4454, 8654, 20_654, 62_655},
			nameForgot:     {3619, 3747, 3804, 3816, 3822},
			nameORSet:      {3419, 3496, 3586, 3610, 3619},
		},
		true: {
			nameTombstones: {3434, 5399, 13_709, 37_685, 121_677},
			nameLWWSet:     {5016, 5016, 5016, 5016, 5016},
			nameRWSet:      {3619, 3747, 3804, 3816, 3822},
			nameBareTombs:  {3434, 4454, 8654, 20_654, 62_655},
			nameForgot:     {3619, 3747, 3804, 3816, 3822},
			nameORSet:      {3419, 3496, 3586, 3610, 3619},
		},
	} {
		require.Len(t, churnNames(again), len(want))
		for _, name := range churnNames(again) {
			require.Equal(t, want[name], r.churn(name, again).bytes, "%s, %v", name, again)
		}
	}
	require.Equal(t, deltaSizes{31, 33}, r.churn(nameORSet, false).deltas)
	require.Equal(t, deltaSizes{30, 31}, r.churn(nameTombstones, true).deltas)
	require.GreaterOrEqual(t, last(r.churn(nameTombstones, true).bytes), 20*last(r.churn(nameORSet, true).bytes))
}

// testCrdtAway: exact; and who has missed too much gets the full state, nobody else. A Replica and who sends deltas alone
// differ from where these would be more than the state, and a little before that in the parts.
func testCrdtAway(t *testing.T, r *crdtResults) {
	const full = 13_091
	for i, missed := range awayMissed() {
		deltas, replica, buffer, state := r.away.deltas[i], r.away.replica[i], r.away.buffer[i], r.away.full[i]
		require.Equal(t, []int{460, 1220, 3881, 11_597, 14_328, 14_718, 19_082, 21_423, 39_122, 117_723, 392_973}[i], deltas.bytes)
		require.Equal(t, []int{460, 1220, 3881, 11_523, 14_253, full, full, full, full, full, full}[i], replica.bytes)
		require.Equal(t, []int{160, 420, 1330, 3935, 4845, 4975, 6405, 13_019, 13_019, 13_019, 13_021}[i], buffer.bytes)
		require.InEpsilon(t, 13_015, state.bytes, 0.02)
		require.False(t, deltas.state)
		require.Equal(t, missed > 740, replica.state)
		require.Equal(t, missed > 1024, buffer.state)
		for _, c := range []catchUp{deltas, replica} {
			require.Equal(t, missed, c.deltas, "the default log has all")
			require.Equal(t, replica.log, c.log)
		}
		own := replica.log - 48*missed // bytes of all deltas: TestLogCost
		require.Equal(t, replica.state, own > state.bytes)
		if !replica.state {
			require.InDelta(t, own+updateCost*missed, replica.bytes, 100, "and a session has two summaries and so on")
		}
		for _, c := range []catchUp{deltas, replica, buffer, state} {
			require.Equal(t, missed, c.missed)
		}
	}
	require.Equal(t, awayChanges, r.turn().missed-740, "captions say that it is the next meeting")
}

// testCrdtLogs: the course of the log. All are the same until the phone leaves, and in the end.
func testCrdtLogs(t *testing.T, r *crdtResults) {
	phone, kept, forgot, there := []vclock.ID{phoneName}, r.log(logKept), r.log(logForgot), r.log(logThere)
	for i := 1; i <= logEnds; i++ {
		want := awayChanges
		require.Equal(t, want, there.deltas[i])
		if i > logLeaves && i <= logReturns { // a server hears what the phone has when they meet once more
			want = min(awayChanges*(i-logLeaves+1), kept.deltas[i])
			require.GreaterOrEqual(t, want, min(awayChanges*(i-logLeaves+1), 1000))
		}
		require.Equal(t, want, kept.deltas[i], i)
		require.Equal(t, phone, kept.behind[i])
		require.LessOrEqual(t, kept.bytes[i], logBound)
		switch {
		case i < logForgets:
			require.Equal(t, []int{kept.deltas[i], kept.bytes[i]}, []int{forgot.deltas[i], forgot.bytes[i]})
			require.Equal(t, phone, forgot.behind[i])
		case i < logReturns:
			require.Equal(t, []int{0, 0}, []int{forgot.deltas[i], forgot.bytes[i]})
			require.Empty(t, forgot.behind[i])
		case i > logReturns:
			require.Equal(t, kept.deltas[i], forgot.deltas[i])
		}
	}
	require.Equal(t, 70, kept.fills())
	require.Equal(t, 1001, kept.deltas[70])
	require.Equal(t, []int{13_091, 13_091, 474}, []int{kept.back, forgot.back, there.back})
	require.Equal(t, missing(r.away.replica, 2000).bytes, kept.back, "the full state, as 100 meetings are 2,000 changes")
}

// TestCrdtMeetings lets replicas meet, also under the race detector: their sessions are of two goroutines each.
func TestCrdtMeetings(t *testing.T) {
	for way, want := range map[string]int{byStates: 5640, bySync: 3258, byBuffer: 1116} {
		c, err := countTrafficOf(t.Context(), way, 10)
		require.NoError(t, err)
		require.Equal(t, trafficCell{way: way, elements: 10, state: 188, bytes: want}, c)
	}
	g, err := newAwayGroup(crdt.ReplicaConfig{})
	require.NoError(t, err)
	left, err := g.leave(t.Context())
	require.NoError(t, err)
	require.NoError(t, g.work(t.Context()))
	c, err := g.comeBack(t.Context(), left)
	require.NoError(t, err)
	require.Equal(t, catchUp{bytes: 460, deltas: awayChanges, log: 1296}, c)
}

// TestCrdtPlays: what is measured is what the report says. Planted and caught: the newest element that goes in place of the
// oldest; rights that are only given to oneself.
func TestCrdtPlays(t *testing.T) {
	played := map[string]string{}
	for _, kind := range crdtKinds() {
		play := kind.begin()
		for i := range 204 {
			_, err := play.change(crdtTurn{number: i, replicas: 3, who: i / 2 % 3, round: i / 6})
			require.NoError(t, err, kind.name)
		}
		switch p := play.(type) {
		case *typedPlay[*stringSet]:
			testHundred(t, p.value)
			played[kind.name] = p.value.Context().String()
		case *typedPlay[*crdt.TwoPSet[string]]:
			testHundred(t, p.value)
		case *typedPlay[*crdt.LWWSet[string]]:
			testHundred(t, p.value)
		case *typedPlay[*crdt.RWSet[string]]:
			testHundred(t, p.value)
			require.Equal(t, 52, p.value.Removed())
		case *typedPlay[*mapOfSets]:
			require.Equal(t, crdtAlive, p.value.Len())
			require.True(t, p.value.Has(elementName(52)) && !p.value.Has(elementName(51)))
		case *typedPlay[*crdt.GSet[string]]:
			require.Equal(t, 204, p.value.Len())
		case *typedPlay[*crdt.BoundedCounter]:
			played[kind.name] = fmt.Sprint(p.value, p.value.Rights(replicaName(0)), p.value.Rights(replicaName(1)), p.value.Rights(replicaName(2)))
		}
	}
	require.Equal(t, map[string]string{
		nameORSet:   `{"node-0000":"1-51", "node-0001":"1-51", "node-0002":"1-50"}`,
		nameBounded: "51 19 17 15",
	}, played)
}

// testHundred: the oldest have gone.
func testHundred(t *testing.T, s interface {
	Len() int
	Has(string) bool
}) {
	t.Helper()
	require.Equal(t, crdtAlive, s.Len())
	require.True(t, s.Has(elementName(52)) && s.Has(elementName(151)))
	require.False(t, s.Has(elementName(51)))
}

// TestTombstoneSet: by hand.
func TestTombstoneSet(t *testing.T) {
	a, b := churnTurn{id: "a", element: "milk"}, churnTurn{id: "b", element: "milk"}
	for _, bare := range []bool{false, true} {
		s := newTombstoneSet(bare)
		must := func(n int, err error) int {
			require.NoError(t, err)
			return n
		}
		require.Equal(t, 3, must(s.bytes()), "no names, no elements, no tombstones")
		require.Equal(t, 1+2+1+5+1+2+1, must(s.add(a)), "a name, an element with a tag, no tombstone")
		require.Equal(t, 1+2+1+5+1+2+1, must(s.add(b)))
		require.Equal(t, 1+2*2+1+5+1+2*2+1, must(s.bytes()))
		require.Equal(t, []string{"milk"}, s.left())
		require.Equal(t, 1+2*2+1+1+2*2, must(s.remove(b)), "two tombstones")
		require.Empty(t, s.left())
		require.Equal(t, 3, must(s.remove(a)), "they are there")
		if bare {
			require.Equal(t, 1+2*2+1+1+2*2, must(s.bytes()))
		} else {
			require.Equal(t, 1+2*2+1+5+1+2*2+1+2*2, must(s.bytes()))
		}
		must(s.add(a))
		require.Equal(t, []string{"milk"}, s.left(), "it may come back")
	}
}

// TestLogCost: what the notes say that a delta takes in a log.
func TestLogCost(t *testing.T) {
	g, err := newAwayGroup(crdt.ReplicaConfig{})
	require.NoError(t, err)
	before, size := g.servers[0].Stats().LogBytes, 0
	require.NoError(t, g.do(0, func(id vclock.ID, s *stringSet) (*stringSet, error) {
		delta, err := s.Add(id, "x")
		require.NoError(t, err)
		size, err = formLen(delta)
		return delta, err
	}))
	require.Equal(t, 48+size, g.servers[0].Stats().LogBytes-before)
}

// TestFewDeltas: what the report says of 4 KiB. The state of one element is less long before, and nobody asks. Planted and
// caught: 2 KiB, and 8.
func TestFewDeltas(t *testing.T) {
	server, err := newPhone("server", 1)
	require.NoError(t, err)
	peer, err := newPhone(phoneName, 1)
	require.NoError(t, err)
	deltas := 0
	for deltas < 5<<10 {
		require.NoError(t, server.Do(adding(1)))
		stats := server.Stats()
		deltas = stats.LogBytes - 48*stats.Deltas // TestLogCost
		update, err := server.Delta(peer.Summary())
		require.NoError(t, err)
		state, err := server.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, deltas > 4<<10, string(update) == string(state), deltas)
	}
}

// TestBadReplicasAreNotMeasured: if replicas differ, or have something else than they should, there is no number. Planted
// and caught: looks at the first replica alone, at who has too many and not at who has too few, and at
// how many there are and not at which; what has heard of a value in place of its deltas.
func TestBadReplicasAreNotMeasured(t *testing.T) {
	liar := &typedPlay[*crdt.GCounter]{new(crdt.GCounter), new(crdt.GCounter), func(c *crdt.GCounter, u crdtTurn) (*crdt.GCounter, error) {
		_, err := c.Add(u.id(), 1)
		return new(crdt.GCounter), err
	}}
	_, err := liar.change(crdtTurn{replicas: 1})
	require.NoError(t, err)
	_, err = liar.state()
	require.ErrorIs(t, err, errDiffer)

	for name, spoil := range map[string]func(g *stateGroup){
		"another element": func(g *stateGroup) { _, _ = g.sets[0].Add("x", "a"); g.sets[0].Remove(elementName(15)) },
		"one too many":    func(g *stateGroup) { _, _ = g.sets[0].Add("x", elementName(25)) },
		"all have too few": func(g *stateGroup) {
			for who := range g.sets {
				g.sets[who].Remove(elementName(24))
			}
		},
		"others differ":    func(g *stateGroup) { g.sets[2].Remove(elementName(20)) },
		"nothing is there": func(g *stateGroup) { g.sets[0] = stringSet{} },
	} {
		g := new(stateGroup)
		for who := range g.sets {
			for i := 15; i < 25; i++ {
				_, _ = g.sets[who].Add("x", elementName(i))
			}
		}
		_, err := checkTraffic(g, 10)
		require.NoError(t, err)
		spoil(g)
		_, err = checkTraffic(g, 10)
		require.ErrorIs(t, err, errDiffer, name)
	}

	for _, spoil := range []setChange{
		func(id vclock.ID, s *stringSet) (*stringSet, error) { return s.Add(id, "more") },
		func(_ vclock.ID, s *stringSet) (*stringSet, error) { return s.Remove(awayElement(1, 500)), nil },
		func(id vclock.ID, s *stringSet) (*stringSet, error) {
			delta := s.Remove(awayElement(0, 1))
			more, err := s.Add(id, "another")
			return crdt.Join(delta, more), err
		},
	} {
		g, err := newAwayGroup(crdt.ReplicaConfig{})
		require.NoError(t, err)
		_, err = meetOne(t.Context(), g.servers[0], g.servers[1])
		require.NoError(t, err)
		require.NoError(t, g.check(g.servers[1]))
		require.NoError(t, g.servers[1].Do(spoil))
		require.ErrorIs(t, g.check(g.servers[1]), errDiffer)
	}

	_, _, err = countChurnOf(lazySet{newTombstoneSet(false)}, 2, false)
	require.ErrorIs(t, err, errDiffer)
}

// lazySet never removes.
type lazySet struct{ *tombstoneSet }

func (lazySet) remove(churnTurn) (int, error) { return 0, nil }

// TestMeetOneFails: the error of either side, and nobody is left waiting. Planted and caught: the error of the other side,
// which is lost.
func TestMeetOneFails(t *testing.T) {
	one, err := newPhone("one", 1)
	require.NoError(t, err)
	same, err := newPhone("one", 1)
	require.NoError(t, err)
	_, err = meetOne(t.Context(), one, same)
	require.ErrorIs(t, err, vclock.ErrForked)
	other, err := newPhone("other", 1)
	require.NoError(t, err)
	require.NoError(t, one.Do(adding(1)))
	_, err = meetOne(t.Context(), one, deaf{other})
	require.ErrorIs(t, err, errDiffer, "one has sent all, and all is well on its side")
	_, err = meetOne(t.Context(), deaf{other}, one)
	require.ErrorIs(t, err, errDiffer)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = meetOne(ctx, one, same)
	require.ErrorIs(t, err, context.Canceled)
}

// deaf takes nothing in.
type deaf struct{ crdt.Syncer }

func (deaf) Receive([]byte) error { return errDiffer }

func TestInterruptCrdt(t *testing.T) {
	notRaced(t)
	for _, at := range []string{"[1/5] crdt: counting", "[2/5] crdt: counting"} {
		interrupt(t, at, "crdt")
	}
}
