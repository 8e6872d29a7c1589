package wal

// Stats is what a Log has done since Open. It is a plain value: safe for
// concurrent use.
type Stats struct {
	Records      uint64 // appended
	Bytes        uint64 // of their data, without framing
	Commits      uint64 // groups written; Records/Commits is the average group
	LargestGroup int    // records in the largest one
	Syncs        uint64 // of record data; new segments cost a few more
	Segments     int    // files that hold the log now
	Recycled     uint64 // segments that wrote over a retired file
	TornTails    uint64 // 1 if Open found a torn end and erased it
	TornBytes    uint64 // how long that was
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments = len(l.segments)
	return s
}
