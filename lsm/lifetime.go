package lsm

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
)

// How long a table stays open. A reader pins the version that it reads from; a table
// belongs to the present version and to those before it that somebody has pinned, and
// when it is in none of these any more, its file is closed and removed.
//
// Pinning must not make readers meet at one counter, so each version has several, and
// a reader takes one by chance. He counts himself in and then looks whether the
// version is still the present one: if not, he was too late, and tries again with the
// next. So once a version is not the present one, nobody joins those who are in, and
// when each counter has been seen at 0 after that, one after the other, all have left.

// pins count the readers of a version. They are safe for concurrent use.
type pins [16]pin

// pin is one of several counters, alone on its cache line.
type pin struct {
	readers atomic.Int64
	_       [56]byte
}

// held reports whether somebody may be in. The version is not the present one.
func (p *pins) held() bool {
	for i := range p {
		if p[i].readers.Load() != 0 {
			return true
		}
	}
	return false
}

// acquire returns the state, whose tables stay open until the pin is released.
func (d *DB) acquire() (*state, *pin) {
	for {
		s := d.state.Load()
		if p := d.join(s); p != nil {
			return s, p
		}
	}
}

// join counts a reader in, or returns nil if the state is not the present one. Who is too
// late leaves like every reader: somebody may have looked while he was counted in, and
// have left the tables to him.
func (d *DB) join(s *state) *pin {
	p := &s.version.pins[rand.Uint32()%uint32(len(s.version.pins))]
	p.readers.Add(1)
	if d.state.Load() == s {
		return p
	}
	d.release(s.version, p)
	return nil
}

// release lets a pinned version go. If another one has come, this may have been the
// last who had it.
func (d *DB) release(v *version, p *pin) {
	p.readers.Add(-1)
	if d.state.Load().version != v {
		d.closeUnused(false)
	}
}

// enter counts a version in that is becoming the present one. The caller holds mu.
func (v *version) enter() {
	for _, tables := range v.levels {
		for _, t := range tables {
			t.versions++
		}
	}
}

// closeUnused closes and removes the tables of versions that are not the present one and
// that nobody has pinned, but for those that another version has too; evenHeld, of those
// that somebody has pinned as well.
func (d *DB) closeUnused(evenHeld bool) {
	d.mu.Lock()
	kept := d.retired[:0]
	var unused []*table
	for _, v := range d.retired {
		if v.pins.held() && !evenHeld {
			kept = append(kept, v)
		} else {
			unused = append(unused, v.leave()...)
		}
	}
	clear(d.retired[len(kept):])
	d.retired = kept
	d.mu.Unlock()
	for _, t := range unused {
		if !evenHeld {
			d.blocks.forget(t.reader)
		}
		err := errors.Join(t.close(), d.options.FS.Remove(d.path(t.number)))
		if err != nil {
			d.options.Logger.Warn("lsm cannot remove a table; the next Open will", "error", err)
		}
	}
}

// leave counts a version out and returns the tables that no other one has. The caller
// holds mu.
func (v *version) leave() (unused []*table) {
	for _, tables := range v.levels {
		for _, t := range tables {
			if t.versions--; t.versions == 0 {
				unused = append(unused, t)
			}
		}
	}
	return unused
}

// closeTables closes all tables, whether somebody reads from them or not, and removes
// those that are not in the present version. Nobody makes another version.
func (d *DB) closeTables() (err error) {
	d.closeUnused(true)
	for _, tables := range d.state.Load().version.levels {
		for _, t := range tables {
			err = errors.Join(err, t.close())
		}
	}
	return err
}
