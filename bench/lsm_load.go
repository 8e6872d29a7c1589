package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/plinth-go/plinth/lsm"
)

// The load of all stores here: keys of 16 bytes, values of 100 of which half
// compresses, each key as likely to be overwritten as any other.

const (
	lsmKeySize   = 16
	lsmValueSize = 100
	lsmUserBytes = lsmKeySize + lsmValueSize
)

// lsmKeys writes some keys and remembers what each was set to last, so that every
// answer of the store can be checked. Key i is every step-th number from first on:
// several writers have different ones, and odd numbers are nobody's. It is not safe
// for concurrent use.
type lsmKeys struct {
	first, step int
	versions    []uint32 // of each key; 0 if it was never set
	rnd         *rand.Rand
	pool        []byte // random bytes that values are cut from
	key, value  []byte // of the next Put
}

// newLSMKeys returns n keys for a writer of so many.
func newLSMKeys(n, writer, writers int) *lsmKeys {
	k := &lsmKeys{
		first: writer, step: writers,
		versions: make([]uint32, n),
		rnd:      rand.New(rand.NewPCG(1, uint64(writer))),
		pool:     make([]byte, lsmPool+lsmValueSize),
		key:      make([]byte, lsmKeySize), value: make([]byte, lsmValueSize),
	}
	pool := rand.New(rand.NewPCG(2, 2)) // the same for all
	for i := 0; i+8 <= len(k.pool); i += 8 {
		binary.LittleEndian.PutUint64(k.pool[i:], pool.Uint64())
	}
	return k
}

const lsmPool = 64 << 10

// present makes the key i, and absent one next to it that nobody sets.
func (k *lsmKeys) present(i int) []byte { return k.number(2 * uint64(k.first+i*k.step)) }
func (k *lsmKeys) absent(i int) []byte  { return k.number(2*uint64(k.first+i*k.step) + 1) }

// number makes a key of a number. Keys are in the order of their numbers, and of
// the size that hashes of 128 bits have.
func (k *lsmKeys) number(n uint64) []byte {
	binary.BigEndian.PutUint64(k.key[lsmKeySize-8:], n)
	return k.key
}

// set makes a new version of the key i.
func (k *lsmKeys) set(i int) (key, value []byte) {
	k.versions[i]++
	return k.make(i, k.versions[i])
}

// make is a version of the key i. The value is the key's number and the version,
// random bytes up to the half, and zeros.
func (k *lsmKeys) make(i int, version uint32) (key, value []byte) {
	id := uint64(k.first + i*k.step)
	copy(k.value[:lsmValueSize/2], k.pool[(id*7919+uint64(version)*104729)%lsmPool:])
	binary.LittleEndian.PutUint64(k.value, id)
	binary.LittleEndian.PutUint32(k.value[8:], version)
	return k.present(i), k.value
}

// check compares an answer with what was set.
func (k *lsmKeys) check(i int, value []byte, err error) error {
	if err != nil {
		return fmt.Errorf("reading back: key %d: %w", i, err)
	}
	if _, want := k.make(i, k.versions[i]); !bytes.Equal(value, want) {
		return fmt.Errorf("reading back: key %d: not what was put", i)
	}
	return nil
}

// checkAbsent looks at the answer for a key that was never put.
func checkAbsent(err error) error {
	if !errors.Is(err, lsm.ErrNotFound) {
		return fmt.Errorf("reading back: a key that was never put: %v, want %w", err, lsm.ErrNotFound)
	}
	return nil
}

// verifyLSM walks through a store and holds it against what all its writers have
// put: nothing else may be there, and nothing may be missing.
func verifyLSM(db *lsm.DB, writers []*lsmKeys) error {
	n := 0
	for e, err := range db.Scan(nil, nil) {
		if err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		if len(e.Key) != lsmKeySize {
			return fmt.Errorf("reading back: a key that was never put: %x", e.Key)
		}
		number := binary.BigEndian.Uint64(e.Key[lsmKeySize-8:])
		k, i := writers[number/2%uint64(len(writers))], number/2/uint64(len(writers))
		if number%2 != 0 || i >= uint64(len(k.versions)) {
			return fmt.Errorf("reading back: a key that was never put: %x", e.Key)
		}
		if err := k.check(int(i), e.Value, nil); err != nil {
			return err
		}
		n++
	}
	want := 0
	for _, k := range writers {
		for _, version := range k.versions {
			want += int(min(version, 1))
		}
	}
	if n != want {
		return fmt.Errorf("reading back: %d entries, but %d keys were put", n, want)
	}
	return nil
}
