//go:build cgo && (darwin || linux) && (amd64 || arm64)

package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/automerge/automerge-go"
)

// automergeSet is a document whose keys are the elements. Each change is a commit, as Doc's documentation asks for,
// without a time, which leaves some bytes out.
type automergeSet struct {
	doc  *automerge.Doc
	kind string
	last automerge.ChangeHash
}

func newAutomerge(kind, name string) (shared, error) {
	return automergeOf(automerge.New(), kind, name)
}

func loadAutomerge(kind, name string, saved []byte) (shared, error) {
	doc, err := automerge.Load(saved)
	if err != nil {
		return nil, err
	}
	return automergeOf(doc, kind, name)
}

// automergeOf gives the replica the name that it has in the other forms. Automerge's own would be 16 bytes at random.
func automergeOf(doc *automerge.Doc, kind, name string) (shared, error) {
	return &automergeSet{doc: doc, kind: kind}, doc.SetActorID(hex.EncodeToString([]byte(name)))
}

func (s *automergeSet) put(e string) error {
	if s.kind == kindMap {
		return s.doc.RootMap().Set(e, e)
	}
	return s.doc.RootMap().Set(e, true)
}

// commit makes an empty change of what changes nothing: a key is set to what it has.
func (s *automergeSet) commit() (err error) {
	s.last, err = s.doc.Commit("", automerge.CommitOptions{Time: &time.Time{}, AllowEmpty: true})
	return err
}

func (s *automergeSet) add(e string) error {
	if err := s.put(e); err != nil {
		return err
	}
	return s.commit()
}

func (s *automergeSet) remove(e string) error {
	if err := s.doc.RootMap().Delete(e); err != nil {
		return err
	}
	return s.commit()
}

func (s *automergeSet) addAll(all []string) error {
	for _, e := range all {
		if err := s.put(e); err != nil {
			return err
		}
	}
	return s.commit()
}

// message is what SaveIncremental would return, byte for byte, but that looks through all changes that there are.
func (s *automergeSet) message() ([]byte, error) {
	c, err := s.doc.Change(s.last)
	if err != nil {
		return nil, err
	}
	return c.Save(), nil
}

func (s *automergeSet) receive(message []byte) error { return s.doc.LoadIncremental(message) }

func (s *automergeSet) merge(other shared) error {
	_, err := s.doc.Merge(other.(*automergeSet).doc)
	return err
}

func (s *automergeSet) save() ([]byte, error) { return s.doc.Save(), nil }

func (s *automergeSet) copy(name string) (shared, error) {
	doc, err := s.doc.Fork()
	if err != nil {
		return nil, err
	}
	return automergeOf(doc, s.kind, name)
}

func (s *automergeSet) count() int { return s.doc.RootMap().Len() }

func (s *automergeSet) elements() []string {
	keys, err := s.doc.RootMap().Keys()
	if err != nil {
		return nil
	}
	slices.Sort(keys)
	return keys
}

// meet keeps what each side knows of the other one, so that a session goes on where the one before ended.
func (s *automergeSet) meet(other shared) (func() (int, error), error) {
	if s.kind != kindReplica {
		return nil, errNotThere
	}
	mine, theirs := automerge.NewSyncState(s.doc), automerge.NewSyncState(other.(*automergeSet).doc)
	return func() (sent int, err error) {
		from, to := mine, theirs
		for quiet := 0; quiet < 2; from, to = to, from {
			m, is := from.GenerateMessage()
			if !is {
				quiet++
				continue
			}
			quiet = 0
			b := m.Bytes()
			sent += len(b)
			if _, err := to.ReceiveMessage(b); err != nil {
				return 0, err
			}
		}
		return sent, nil
	}, nil
}

// pastAutomerge removes something, and asks for the document as it was before.
func pastAutomerge() (string, error) {
	doc := automerge.New()
	s := &automergeSet{doc: doc, kind: kindSet}
	if err := s.add("milk"); err != nil {
		return "", err
	}
	before := doc.Heads()
	if err := s.remove("milk"); err != nil {
		return "", err
	}
	past, err := doc.Fork(before...)
	if err != nil {
		return "", err
	}
	return fmt.Sprint((&automergeSet{doc: past}).elements()), nil
}

// clashAutomerge has two write one key at the same time, and reads it.
func clashAutomerge() (string, error) {
	docs := []*automerge.Doc{automerge.New(), automerge.New()}
	for i, value := range []string{"tea", "coffee"} {
		if err := docs[i].SetActorID(hex.EncodeToString([]byte(value))); err != nil {
			return "", err
		}
		if err := docs[i].RootMap().Set("drink", value); err != nil {
			return "", err
		}
	}
	if _, err := docs[0].Merge(docs[1]); err != nil {
		return "", err
	}
	v, err := automerge.As[string](docs[0].RootMap().Get("drink"))
	return fmt.Sprint([]string{v}), err
}
