package main

import (
	"sync"

	"github.com/plinth-go/plinth/cache"
)

// bounded is what is measured here. Its implementations are safe for
// concurrent use.
type bounded interface {
	Get(key uint64) (uint64, bool)
	Set(key, value uint64)
	Len() int
}

// loadImpl is one way to share a cache.
type loadImpl struct {
	name string
	make func(entries int) (bounded, error)
}

// loadImpls are compared: this module's cache; what most programs begin with;
// and what they come to next, the same in parts, each with its lock.
func loadImpls() []loadImpl {
	return []loadImpl{
		{"Cache", func(n int) (bounded, error) {
			return cache.New(cache.Config[uint64, uint64]{MaxEntries: n})
		}},
		{"LRU, a lock", func(n int) (bounded, error) { return newLockedLRU(n), nil }},
		{"LRU, 32 locks", func(n int) (bounded, error) { return newShardedLRU(n), nil }},
	}
}

// lockedLRU is a textbook and a mutex. A read-write lock would not help: every
// hit of an LRU moves an entry to the front, so every reader writes.
type lockedLRU struct {
	mu  sync.Mutex
	lru *cache.LRU[uint64, uint64] // guarded by mu
	_   [40]byte                   // locks of neighbours lie in lines of their own
}

func newLockedLRU(entries int) *lockedLRU {
	return &lockedLRU{lru: cache.NewLRU[uint64, uint64](entries)}
}

func (l *lockedLRU) Get(key uint64) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lru.Get(key)
}

func (l *lockedLRU) Set(key, value uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lru.Set(key, value)
}

func (l *lockedLRU) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lru.Len()
}

// shardedLRU is as many of them as Cache has shards at this size. Each has its
// part of the room, and the bits of a product choose among them.
type shardedLRU [32]*lockedLRU

func newShardedLRU(entries int) *shardedLRU {
	var s shardedLRU
	for i := range s {
		s[i] = newLockedLRU(entries / len(s))
	}
	return &s
}

func (s *shardedLRU) of(key uint64) *lockedLRU { return s[key*0x9e3779b97f4a7c15>>(64-5)] }

func (s *shardedLRU) Get(key uint64) (uint64, bool) { return s.of(key).Get(key) }
func (s *shardedLRU) Set(key, value uint64)         { s.of(key).Set(key, value) }

func (s *shardedLRU) Len() (n int) {
	for _, l := range s {
		n += l.Len()
	}
	return n
}
