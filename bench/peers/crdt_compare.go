package main

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

const (
	sharedSize  = 10_000 // elements of a set
	sharedNews  = 1_000  // changes of a set that is there already
	sharedLeft  = 200    // elements that are left when others, or they themselves, have gone
	sharedChurn = 100    // times that each of those was added
)

// sharedSpeed compares how long forms of a set take for the same changes.
type sharedSpeed struct{}

// sharedCell is one thing to do. From open come functions that prepare another run of it each time.
type sharedCell struct {
	kind, op string
	open     func(c sharedConfig) (prepare func() (sharedRun, error), err error)
}

// sharedConfig says what to do it with.
type sharedConfig struct {
	impl, kind string
	n, news    int
}

// sharedRun is what is timed, how much that is, and the set that has come out of it, with how many elements it must have.
type sharedRun struct {
	do    func() error
	units int
	set   func() shared
	left  int
}

func (sharedSpeed) cells() []sharedCell {
	return []sharedCell{
		{kindSet, "add", openAdd},
		{kindSet, "add-at-once", openAddAll},
		{kindSet, "send", openSend},
		{kindSet, "receive/change=add", openReceiveAdd},
		{kindSet, "receive/change=remove", openReceiveRemove},
		{kindSet, "merge", openMerge},
		{kindSet, "save", openSave},
		{kindSet, "load", openLoad},
		{kindSet, "load/after=churn", openLoadChurned},
		{kindMap, "add", openAdd},
		{kindMap, "receive/change=add", openReceiveAdd},
		{kindMap, "merge", openMerge},
		{kindMap, "load", openLoad},
		{kindReplica, "add", openAdd},
		{kindReplica, "meet/news=few", openMeetings},
		{kindReplica, "meet/news=all", openMeeting},
	}
}

func (ss sharedSpeed) names() (names []string) {
	for _, c := range ss.cells() {
		names = append(names, fmt.Sprintf("CrdtSpeed/kind=%s/op=%s", c.kind, c.op))
	}
	return names
}

func (ss sharedSpeed) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(ss.cells(), chosen), pick(ss.names(), chosen)
	t := newTable("elements/s", "%.0f", sharedImpls(), true)
	err := s.mixed(ctx, names, sharedImpls(), func(i int, impl string) error {
		rate, err := picked[i].rate(impl, s.scale)
		if errors.Is(err, errNotThere) {
			return nil
		}
		t.add(names[i], impl, rate)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

const (
	sharedPeriod = 100 * time.Millisecond // that runs take in all, if one of them takes less
	sharedRuns   = 50                     // at most, as the preparation may take longer
)

func (c sharedCell) rate(impl string, scale float64) (float64, error) {
	n := max(int(sharedSize*scale), 2*sharedLeft)
	prepare, err := c.open(sharedConfig{impl, c.kind, n, n * sharedNews / sharedSize})
	if err != nil {
		return 0, err
	}
	var took time.Duration
	units := 0
	for i := 0; i < sharedRuns && (i == 0 || took < time.Duration(scale*float64(sharedPeriod))); i++ {
		run, err := prepare()
		if err != nil {
			return 0, err
		}
		if i == 0 {
			runtime.GC()
		}
		start := time.Now()
		err = run.do()
		took += time.Since(start)
		if err != nil {
			return 0, err
		}
		units += run.units
		if has := run.set().count(); has != run.left {
			return 0, fmt.Errorf("%d elements are left instead of %d", has, run.left)
		}
	}
	return float64(units) / took.Seconds(), nil
}

// These are the names of two replicas. Each form keeps them with each change, or once.
const (
	sharedHere  = "replica-1"
	sharedThere = "replica-2"
)

// openBase makes a set of a replica, with changes in it.
func openBase(c sharedConfig, name string, all []string, change func(shared, []string) error) (shared, error) {
	s, err := openShared(c.impl, c.kind, name)
	if err != nil {
		return nil, err
	}
	return s, change(s, all)
}

func removeEach(s shared, all []string) error {
	for _, e := range all {
		if err := s.remove(e); err != nil {
			return err
		}
	}
	return nil
}

// churn adds some elements again and again, and removes them before that, one element after the other.
func churn(s shared, all []string) error {
	for _, e := range all[:sharedLeft] {
		for i := range sharedChurn {
			if i > 0 {
				if err := s.remove(e); err != nil {
					return err
				}
			}
			if err := s.add(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// shuffledChurn does as much as churn, in random order.
func shuffledChurn(s shared, all []string) error {
	order := make([]string, 0, sharedLeft*sharedChurn)
	for range sharedChurn {
		order = append(order, all[:sharedLeft]...)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	seen := map[string]bool{}
	for _, e := range order {
		if seen[e] {
			if err := s.remove(e); err != nil {
				return err
			}
		}
		seen[e] = true
		if err := s.add(e); err != nil {
			return err
		}
	}
	return nil
}

// openAdd adds elements to an empty set, in a change for each.
func openAdd(c sharedConfig) (func() (sharedRun, error), error) { return openFill(c, addEach) }

// openAddAll adds them in one change, where a form has such a thing. The others do the same as in openAdd.
func openAddAll(c sharedConfig) (func() (sharedRun, error), error) {
	return openFill(c, func(s shared, all []string) error { return s.addAll(all) })
}

func openFill(c sharedConfig, fill func(shared, []string) error) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, c.n)
	return func() (sharedRun, error) {
		s, err := openShared(c.impl, c.kind, sharedHere)
		return sharedRun{func() error { return fill(s, all) }, c.n, func() shared { return s }, c.n}, err
	}, nil
}

// openSend adds elements to a set that has many, and makes the message of each change.
func openSend(c sharedConfig) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, c.n+c.news)
	base, err := openBase(c, sharedHere, all[:c.n], addEach)
	if err != nil {
		return nil, err
	}
	return func() (sharedRun, error) {
		s, err := base.copy(sharedHere)
		return sharedRun{func() error { _, err := messages(s, all[c.n:], addEach); return err },
			c.news, func() shared { return s }, c.n + c.news}, err
	}, nil
}

func messages(s shared, all []string, change func(shared, []string) error) (sent [][]byte, err error) {
	for i := range all {
		if err := change(s, all[i:i+1]); err != nil {
			return nil, err
		}
		b, err := s.message()
		if err != nil {
			return nil, err
		}
		sent = append(sent, b)
	}
	return sent, nil
}

// openReceiveAdd takes in the messages of another replica that adds, one after the other.
func openReceiveAdd(c sharedConfig) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, c.n+c.news)
	return openReceive(c, all[:c.n], all[c.n:], addEach, c.n+c.news)
}

func openReceiveRemove(c sharedConfig) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, c.n)
	return openReceive(c, all, all[:c.news], removeEach, c.n-c.news)
}

func openReceive(c sharedConfig, all, changed []string, change func(shared, []string) error, left int) (func() (sharedRun, error), error) {
	from, err := openBase(c, sharedThere, all, addEach)
	if err != nil {
		return nil, err
	}
	base, err := from.copy(sharedHere)
	if err != nil {
		return nil, err
	}
	sent, err := messages(from, changed, change)
	return func() (sharedRun, error) {
		s, err := base.copy(sharedHere)
		return sharedRun{func() error {
			for _, b := range sent {
				if err := s.receive(b); err != nil {
					return err
				}
			}
			return nil
		}, len(sent), func() shared { return s }, left}, err
	}, err
}

// openMerge merges two sets that have nothing in common.
func openMerge(c sharedConfig) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, 2*c.n)
	here, err := openBase(c, sharedHere, all[:c.n], addEach)
	if err != nil {
		return nil, err
	}
	there, err := openBase(c, sharedThere, all[c.n:], addEach)
	return func() (sharedRun, error) {
		s, err := here.copy(sharedHere)
		return sharedRun{func() error { return s.merge(there) }, c.n, func() shared { return s }, 2 * c.n}, err
	}, err
}

func openSave(c sharedConfig) (func() (sharedRun, error), error) {
	s, err := openBase(c, sharedHere, sharedElements(namesNumbered, c.n), addEach)
	return func() (sharedRun, error) {
		return sharedRun{func() error { _, err := s.save(); return err }, c.n, func() shared { return s }, c.n}, nil
	}, err
}

func openLoad(c sharedConfig) (func() (sharedRun, error), error) { return openSaved(c, addEach, c.n) }

func openLoadChurned(c sharedConfig) (func() (sharedRun, error), error) {
	return openSaved(c, churn, sharedLeft)
}

func openSaved(c sharedConfig, change func(shared, []string) error, left int) (func() (sharedRun, error), error) {
	s, err := openBase(c, sharedHere, sharedElements(namesNumbered, c.n), change)
	if err != nil {
		return nil, err
	}
	b, err := s.save()
	return func() (sharedRun, error) {
		var s shared
		return sharedRun{func() (err error) { s, err = loadShared(c.impl, c.kind, sharedThere, b); return err },
			left, func() shared { return s }, left}, nil
	}, err
}

// openMeetings has one add something, and then meet the other one, again and again.
func openMeetings(c sharedConfig) (func() (sharedRun, error), error) {
	rounds := c.n / 100
	all := sharedElements(namesNumbered, c.n+rounds)
	base, err := openBase(c, "replica-0", all[:c.n], addEach)
	if err != nil {
		return nil, err
	}
	return func() (sharedRun, error) {
		here, there, session, err := openPair(base)
		return sharedRun{func() error {
			for _, e := range all[c.n:] {
				if err := here.add(e); err != nil {
					return err
				}
				if _, err := session(); err != nil {
					return err
				}
			}
			return nil
		}, rounds, func() shared { return there }, c.n + rounds}, err
	}, nil
}

// openPair returns two replicas that have met before and have the same.
func openPair(base shared) (here, there shared, session func() (int, error), err error) {
	here, err = base.copy(sharedHere)
	if err != nil {
		return nil, nil, nil, err
	}
	there, err = base.copy(sharedThere)
	if err != nil {
		return nil, nil, nil, err
	}
	session, err = here.meet(there)
	if err == nil {
		_, err = session()
	}
	return here, there, session, err
}

// openMeeting has two replicas meet for the first time, and what each of them has added is new to the other one.
func openMeeting(c sharedConfig) (func() (sharedRun, error), error) {
	all := sharedElements(namesNumbered, 2*c.n)
	return func() (sharedRun, error) {
		here, err := openBase(c, sharedHere, all[:c.n], addEach)
		if err != nil {
			return sharedRun{}, err
		}
		there, err := openBase(c, sharedThere, all[c.n:], addEach)
		if err != nil {
			return sharedRun{}, err
		}
		session, err := here.meet(there)
		return sharedRun{func() error { _, err := session(); return err }, 2 * c.n, func() shared { return there }, 2 * c.n}, err
	}, nil
}

// sharedSizes counts bytes, which are the same in each run.
type sharedSizes struct{}

// sharedState is what is counted: of a set that all was added to, with a change of it.
type sharedState struct {
	kind, names, what string
	n                 int
	bytes             sizeOf
}

func (sharedSizes) states() []sharedState {
	added, turns, shuffled := stateOf(addEach), stateOf(churn), stateOf(shuffledChurn)
	return []sharedState{
		{kindSet, namesNumbered, "state", 1_000, added},
		{kindSet, namesNumbered, "state", sharedSize, added},
		{kindSet, namesRandom, "state", 1_000, added},
		{kindSet, namesRandom, "state", sharedSize, added},
		{kindSet, namesNumbered, "churn=in-turn", sharedLeft, turns},
		{kindSet, namesNumbered, "churn=shuffled", sharedLeft, shuffled},
		{kindSet, namesRandom, "churn=shuffled", sharedLeft, shuffled},
		{kindSet, namesNumbered, "message=add", sharedSize, sizeOfAdd},
		{kindSet, namesNumbered, "message=remove", sharedSize, sizeOfRemove},
		{kindMap, namesNumbered, "state", 1_000, added},
		{kindMap, namesNumbered, "state", sharedSize, added},
		{kindMap, namesRandom, "state", sharedSize, added},
		{kindMap, namesNumbered, "message=add", sharedSize, sizeOfAdd},
		{kindReplica, namesNumbered, "meet=first", sharedSize, sentOnFirst},
		{kindReplica, namesNumbered, "meet=again", sharedSize, sentAgain},
	}
}

// sizeOf says how many bytes there are, of which length counts those that may be compressed.
type sizeOf func(s shared, all []string, length func([]byte) (int, error)) (int, error)

// stateOf is all of a set after changes of its elements. The last of all is never one of them.
func stateOf(change func(shared, []string) error) sizeOf {
	return func(s shared, all []string, length func([]byte) (int, error)) (int, error) {
		if err := change(s, all[:len(all)-1]); err != nil {
			return 0, err
		}
		b, err := s.save()
		if err != nil {
			return 0, err
		}
		return length(b)
	}
}

func sizeOfAdd(s shared, all []string, length func([]byte) (int, error)) (int, error) {
	return sizeOfMessage(s, all[:len(all)-1], length, func() error { return s.add(all[len(all)-1]) })
}

func sizeOfRemove(s shared, all []string, length func([]byte) (int, error)) (int, error) {
	return sizeOfMessage(s, all, length, func() error { return s.remove(all[len(all)/2]) })
}

// sizeOfMessage is what somebody has to hear of a change who knows all that was before it.
func sizeOfMessage(s shared, all []string, length func([]byte) (int, error), change func() error) (int, error) {
	if err := addEach(s, all); err != nil {
		return 0, err
	}
	if _, err := s.message(); err != nil {
		return 0, err
	}
	if err := change(); err != nil {
		return 0, err
	}
	b, err := s.message()
	if err != nil {
		return 0, err
	}
	return length(b)
}

// sentOnFirst is what a session sends both ways if one of two has one element more, and they have never met.
func sentOnFirst(s shared, all []string, _ func([]byte) (int, error)) (int, error) {
	session, err := almostSame(s, all)
	if err != nil {
		return 0, err
	}
	return session()
}

// sentAgain is what another one sends after that, for one element more.
func sentAgain(s shared, all []string, _ func([]byte) (int, error)) (int, error) {
	session, err := almostSame(s, all)
	if err != nil {
		return 0, err
	}
	if _, err := session(); err != nil {
		return 0, err
	}
	if err := s.add("one element more"[:len(all[0])]); err != nil {
		return 0, err
	}
	return session()
}

// almostSame makes another replica of all but the last element.
func almostSame(s shared, all []string) (session func() (int, error), err error) {
	last := len(all) - 1
	if err := addEach(s, all[:last]); err != nil {
		return nil, err
	}
	there, err := s.copy(sharedThere)
	if err != nil {
		return nil, err
	}
	if err := s.add(all[last]); err != nil {
		return nil, err
	}
	return s.meet(there)
}

func sizeImpls() []string { return []string{implPlinth, implDeflated, implAutomerge, implNaive} }

func (sz sharedSizes) names() (names []string) {
	for _, s := range sz.states() {
		names = append(names, fmt.Sprintf("CrdtSize/kind=%s/%s/names=%s/n=%d", s.kind, s.what, s.names, s.n))
	}
	return names
}

func (sz sharedSizes) run(ctx context.Context, s *session, chosen []int) error {
	t := newTable("bytes", "%.0f", sizeImpls(), false)
	for _, i := range chosen {
		for _, impl := range sizeImpls() {
			if err := interrupted(ctx); err != nil {
				return err
			}
			size, err := sz.states()[i].size(impl)
			if errors.Is(err, errNotThere) {
				continue
			} else if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", sz.names()[i], impl, err)
			}
			t.add(sz.names()[i], impl, float64(size))
		}
	}
	return t.print(s.out, pick(sz.names(), chosen))
}

// size counts the bytes. Automerge compresses what it saves, so ours are counted compressed, too.
func (st sharedState) size(impl string) (int, error) {
	length := func(b []byte) (int, error) { return len(b), nil }
	if impl == implDeflated {
		if st.kind == kindReplica {
			return 0, errNotThere
		}
		impl, length = implPlinth, deflate
	}
	s, err := openShared(impl, st.kind, sharedHere)
	if err != nil {
		return 0, err
	}
	return st.bytes(s, sharedElements(st.names, st.n+1), length)
}

func deflate(b []byte) (int, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return 0, err
	}
	_, err = w.Write(b)
	err = errors.Join(err, w.Close())
	return out.Len(), err
}
