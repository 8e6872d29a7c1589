package crdt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

// A replica signs what it does with dots, and others remember the dots that they have seen. So a replica
// that has forgotten something, and counts on from what it remembers, gives an old dot to something new:
//
//	phone   a backup is made    phone:7 adds milk ───▶  home has the milk, of phone:7
//	        ╰─ and restored     phone:7 adds eggs ───▶  home has seen phone:7, so the eggs must have been removed since;
//	                                                    and of phone:7 there is no milk, so that was removed too
//
// Both are lost, and nobody says so. What helps is that the restored phone is somebody else: its identity is the
// name, and an epoch that has never been there before.
//
//	phone.1:7 adds milk,  phone.2:1 adds eggs
//
// Where epochs come from:
//
//	a counter on disk    read it, write the next number, sync, and only then use it: before the first change of each
//	                     run, also if the last run ended well. The name stays short and readable. It must not be in
//	                     the backup, and not in the image that machines are cloned from: a counter that is restored
//	                     gives its numbers again.
//	RandomEpoch          if there is no disk, or nobody knows what is restored with it.
//
// Each epoch in which something was changed takes a place in every vector and context that has heard of it, for ever. So
// it is for each start of a program, and not for each connection.

// ErrEpoch: an epoch of zero, which is what a number is that nobody has set.
var ErrEpoch = errors.New("crdt: bad epoch")

// NewID returns the identity of a replica in one of its lives: phone.3 for the third of a phone. Two of different name
// or epoch are different, as long as all identities of a value come from here.
func NewID(name vclock.ID, epoch uint64) (vclock.ID, error) {
	if epoch == 0 {
		return "", fmt.Errorf("%w of %v: 0: the first is 1", ErrEpoch, name)
	}
	if err := checkID(name); err != nil {
		return "", fmt.Errorf("crdt: NewID: %w", err)
	}
	id := vclock.ID(string(name) + "." + strconv.FormatUint(epoch, 10))
	if err := checkID(id); err != nil {
		return "", fmt.Errorf("crdt: NewID: with its epoch: %w", err)
	}
	return id, nil
}

// SplitID returns what NewID has put together. What does not come from there is a name without an epoch, which is 0.
func SplitID(id vclock.ID) (name vclock.ID, epoch uint64) {
	at := strings.LastIndexByte(string(id), '.')
	if at <= 0 {
		return id, 0
	}
	digits := string(id[at+1:])
	epoch, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || epoch == 0 || strconv.FormatUint(epoch, 10) != digits {
		return id, 0
	}
	return id[:at], epoch
}

// RandomEpoch returns one of 2⁶² numbers, none of which is 0. Of a million replicas of one name, two
// have the same with a chance of one in nine million.
func RandomEpoch() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: without randomness the program ends
	return binary.BigEndian.Uint64(b[:])>>2 + 1
}

// checkID returns what package vclock says of a name.
func checkID(id vclock.ID) error {
	_, err := new(vclock.Vector).Advance(id, 0)
	return err
}
