package main

import "bytes"

// A benchmark that does not look at its results may be measuring an error. So
// each experiment keeps a sample of what it stored and compares it afterwards.

// storedRecord is what must be found under an index later.
type storedRecord struct {
	index uint64
	data  []byte
}

// sample keeps every n-th record of a stream of unknown length: each time it
// is full it forgets every other one, and n doubles.
type sample struct {
	seen, every int
	records     []storedRecord
}

// sampleSize bounds the records that are kept; between half of it and all of
// it are.
const sampleSize = 64

func (s *sample) add(r storedRecord) {
	s.every = max(s.every, 1)
	if s.seen++; s.seen%s.every != 0 {
		return
	}
	s.records = append(s.records, storedRecord{r.index, bytes.Clone(r.data)})
	if len(s.records) < sampleSize {
		return
	}
	for i := range sampleSize / 2 {
		s.records[i] = s.records[2*i+1]
	}
	clear(s.records[sampleSize/2:])
	s.records, s.every = s.records[:sampleSize/2], 2*s.every
}
