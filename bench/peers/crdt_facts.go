package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// sharedFacts says what becomes of a set when something goes wrong. Whatever it prints has happened just before.
type sharedFacts struct{}

// sharedForm is a column: a Replica of a set is one of its own.
type sharedForm struct{ name, impl, kind string }

func (sharedFacts) forms() []sharedForm {
	return []sharedForm{
		{implPlinth, implPlinth, kindSet}, {kindReplica, implPlinth, kindReplica},
		{implAutomerge, implAutomerge, kindSet}, {implNaive, implNaive, kindSet},
	}
}

// sharedFact is a story and how it ends: what somebody sees, mostly.
type sharedFact struct {
	name string
	ends func(sharedForm) (string, error)
}

func (sharedFacts) facts() []sharedFact {
	return []sharedFact{
		{"one adds once more what the other one removes", addedBeside},
		{"two write a key at the same time", clash},
		{"a message is lost, and the next one comes", func(f sharedForm) (string, error) { return lostMessage(f, false) }},
		{"and then that which was lost", func(f sharedForm) (string, error) { return lostMessage(f, true) }},
		{"a restored replica sends with its old name", func(f sharedForm) (string, error) { return restored(f, "phone.1") }},
		{"a restored replica meets others with its old name", func(f sharedForm) (string, error) { return restoredMeets(f) }},
		{"a restored replica sends with a new name", func(f sharedForm) (string, error) { return restored(f, "phone.2") }},
		{"garbage comes as a message", garbage},
		{"each bit of a message flips in turn", flips},
		{"what there was before a removal is asked for", past},
	}
}

func (sf sharedFacts) names() (names []string) {
	for _, fact := range sf.facts() {
		names = append(names, "CrdtFacts/"+fact.name)
	}
	return names
}

func (sf sharedFacts) run(ctx context.Context, s *session, chosen []int) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "what happens when\t")
	for _, f := range sf.forms() {
		fmt.Fprintf(w, "%s\t", f.name)
	}
	fmt.Fprintln(w)
	for _, fact := range pick(sf.facts(), chosen) {
		fmt.Fprintf(w, "CrdtFacts/%s\t", fact.name)
		for _, f := range sf.forms() {
			if err := interrupted(ctx); err != nil {
				return err
			}
			end, err := fact.end(f)
			if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", fact.name, f.name, err)
			}
			fmt.Fprintf(w, "%s\t", end)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (fact sharedFact) end(f sharedForm) (string, error) {
	end, err := fact.ends(f)
	if errors.Is(err, errNotThere) {
		return "-", nil
	}
	return end, err
}

// openAll makes empty replicas of some names.
func (f sharedForm) openAll(names ...string) (all []shared, err error) {
	for _, name := range names {
		s, err := openShared(f.impl, f.kind, name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// told adds something and returns the message.
func told(s shared, e string) ([]byte, error) {
	if err := s.add(e); err != nil {
		return nil, err
	}
	return s.message()
}

// refusedOrSeen takes in a message and says what is there then.
func refusedOrSeen(s shared, message []byte) string {
	err := s.receive(message)
	return refusedOr(err, fmt.Sprint(s.elements()))
}

func addedBeside(f sharedForm) (string, error) {
	all, err := f.openAll("phone.1", "home.1")
	if err != nil {
		return "", err
	}
	phone, home := all[0], all[1]
	first, err := told(phone, "milk")
	if err != nil {
		return "", err
	}
	if err := errors.Join(home.receive(first), home.remove("milk")); err != nil {
		return "", err
	}
	removed, err := home.message()
	if err != nil {
		return "", err
	}
	added, err := told(phone, "milk")
	if err != nil {
		return "", err
	}
	if err := errors.Join(home.receive(added), phone.receive(removed)); err != nil {
		return "", err
	}
	if !slices.Equal(phone.elements(), home.elements()) {
		return "they differ", nil
	}
	return fmt.Sprint(home.elements()), nil
}

// clash asks for all that was written. Automerge keeps both values, too, but its Go API has no way to get at the other one.
func clash(f sharedForm) (string, error) {
	switch {
	case f.impl == implAutomerge:
		return clashAutomerge()
	case f.kind != kindSet || f.impl != implPlinth:
		return "", errNotThere
	}
	here, there := crdt.NewMVRegister(vclock.StringCodec{}), crdt.NewMVRegister(vclock.StringCodec{})
	_, err := here.Set("tea", "tea")
	_, err2 := there.Set("coffee", "coffee")
	here.Merge(there)
	return fmt.Sprint(here.Values()), errors.Join(err, err2)
}

func lostMessage(f sharedForm, late bool) (string, error) {
	all, err := f.openAll("phone.1", "home.1")
	if err != nil {
		return "", err
	}
	phone, home := all[0], all[1]
	var messages [][]byte
	for _, e := range []string{"tea", "milk", "eggs"} {
		b, err := told(phone, e)
		if err != nil {
			return "", err
		}
		messages = append(messages, b)
	}
	if err := home.receive(messages[0]); err != nil {
		return "", err
	}
	end := refusedOrSeen(home, messages[2])
	if late {
		end = refusedOrSeen(home, messages[1])
	}
	return end, nil
}

// restored has a phone lose what it has done since its backup, which is empty.
func restored(f sharedForm, name string) (string, error) {
	all, err := f.openAll("phone.1", "home.1", name)
	if err != nil {
		return "", err
	}
	before, home, after := all[0], all[1], all[2]
	milk, err := told(before, "milk")
	if err != nil {
		return "", err
	}
	eggs, err := told(after, "eggs")
	if err != nil {
		return "", err
	}
	if err := home.receive(milk); err != nil {
		return "", err
	}
	return refusedOrSeen(home, eggs), nil
}

// restoredMeets is the same with its old name and with sessions instead of messages.
func restoredMeets(f sharedForm) (string, error) {
	if f.name == implPlinth {
		return "", errNotThere // it is the next column
	}
	f.kind = kindReplica
	all, err := f.openAll("phone.1", "home.1", "phone.1")
	if err != nil {
		return "", err
	}
	before, home, after := all[0], all[1], all[2]
	if err := errors.Join(before.add("milk"), after.add("eggs")); err != nil {
		return "", err
	}
	first, err := before.meet(home)
	if err != nil {
		return "", err
	}
	second, err := after.meet(home)
	if err != nil {
		return "", err
	}
	if _, err := first(); err != nil {
		return "", err
	}
	_, err = second()
	return refusedOr(err, fmt.Sprint(home.elements())), nil
}

// homeWith makes a set of a home that has tea.
func homeWith(f sharedForm) (shared, error) {
	all, err := f.openAll("home.1")
	if err != nil {
		return nil, err
	}
	return all[0], all[0].add("tea")
}

func garbage(f sharedForm) (string, error) {
	home, err := homeWith(f)
	if err != nil {
		return "", err
	}
	return refusedOr(home.receive([]byte(strings.Repeat("garbage ", 8))), "no error"), nil
}

func flips(f sharedForm) (string, error) {
	all, err := f.openAll("phone.1")
	if err != nil {
		return "", err
	}
	message, err := told(all[0], "milk")
	if err != nil {
		return "", err
	}
	taken, noError := 0, 0
	for bit := range 8 * len(message) {
		home, err := homeWith(f)
		if err != nil {
			return "", err
		}
		flipped := slices.Clone(message)
		flipped[bit/8] ^= 1 << (bit % 8)
		if home.receive(flipped) != nil {
			continue
		}
		noError++
		if !slices.Equal(home.elements(), []string{"tea"}) {
			taken++
		}
	}
	if taken == 0 && noError > 0 {
		return "no error", nil // and nothing that has changed
	}
	return fmt.Sprintf("%d of %d taken", taken, 8*len(message)), nil
}

func past(f sharedForm) (string, error) {
	if f.impl != implAutomerge {
		return "", errNotThere
	}
	return pastAutomerge()
}
