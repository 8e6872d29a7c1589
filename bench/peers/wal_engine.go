package main

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/plinth-go/plinth/wal"
	tidwall "github.com/tidwall/wal"
)

// engine is what the compared logs have in common. Appending is safe for
// concurrent use: a peer that asks its callers for the next index gets the
// mutex that its callers would have to write.
type engine interface {
	Append(record []byte) error
	AppendBatch(records [][]byte) error
	Read(index uint64) ([]byte, error)
	Replay(each func(record []byte) error) error // from the first record on
	Close() error
}

// The compared logs.
const (
	implPlinth  = "plinth"
	implTidwall = "tidwall"
	implRaftWAL = "raftwal"
)

func impls() []string { return []string{implPlinth, implTidwall, implRaftWAL} }

// offers reports whether an implementation has a mode that promises what the
// durability says, and no more. raft-wal syncs always; tidwall/wal hands each
// record to the operating system at least.
func offers(impl string, d wal.Durability) bool {
	switch impl {
	case implPlinth:
		return true
	case implTidwall:
		return d != wal.Buffered
	}
	return d == wal.Synced
}

// open opens or makes the log in dir, each as its documentation recommends:
// defaults, but for tidwall/wal's NoSync where the durability asks for it, and
// for raft-wal's log messages, which are thrown away.
func open(impl, dir string, d wal.Durability) (engine, error) {
	if !offers(impl, d) {
		return nil, fmt.Errorf("peers: %s has no mode %v", impl, d)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // raft-wal asks for it
		return nil, err
	}
	switch impl {
	case implPlinth:
		l, err := wal.Open(dir, wal.Options{Durability: d})
		return plinthLog{l}, err
	case implTidwall:
		o := *tidwall.DefaultOptions
		o.NoSync = d != wal.Synced
		l, err := tidwall.Open(dir, &o)
		if err != nil {
			return nil, err
		}
		last, err := l.LastIndex()
		return &tidwallLog{log: l, last: last}, err
	default:
		meta := &metadb.BoltMetaDB{} // the default; ours to close, which WAL.Close leaves undone
		l, err := raftwal.Open(dir, raftwal.WithLogger(hclog.NewNullLogger()), raftwal.WithMetaStore(meta))
		if err != nil {
			return nil, errors.Join(err, meta.Close())
		}
		last, err := l.LastIndex()
		return &raftLog{log: l, meta: meta, last: last}, err
	}
}

type plinthLog struct{ log *wal.Log }

func (p plinthLog) Append(record []byte) error {
	_, err := p.log.Append(record)
	return err
}

func (p plinthLog) AppendBatch(records [][]byte) error {
	_, err := p.log.AppendBatch(records)
	return err
}

func (p plinthLog) Read(index uint64) ([]byte, error) { return p.log.Read(index) }

func (p plinthLog) Replay(each func([]byte) error) error {
	for r, err := range p.log.All(1) {
		if err != nil {
			return err
		}
		if err := each(r.Data); err != nil {
			return err
		}
	}
	return nil
}

func (p plinthLog) Close() error { return p.log.Close() }

type tidwallLog struct {
	log *tidwall.Log

	mu    sync.Mutex
	last  uint64        // guarded by mu
	batch tidwall.Batch // guarded by mu
}

func (t *tidwallLog) Append(record []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.log.Write(t.last+1, record)
	if err == nil {
		t.last++
	}
	return err
}

func (t *tidwallLog) AppendBatch(records [][]byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batch.Clear()
	for i, r := range records {
		t.batch.Write(t.last+1+uint64(i), r)
	}
	err := t.log.WriteBatch(&t.batch)
	if err == nil {
		t.last += uint64(len(records))
	}
	return err
}

func (t *tidwallLog) Read(index uint64) ([]byte, error) { return t.log.Read(index) }

func (t *tidwallLog) Replay(each func([]byte) error) error {
	for i := uint64(1); i <= t.last; i++ {
		data, err := t.log.Read(i)
		if err != nil {
			return err
		}
		if err := each(data); err != nil {
			return err
		}
	}
	return nil
}

func (t *tidwallLog) Close() error { return t.log.Close() }

type raftLog struct {
	log  *raftwal.WAL
	meta *metadb.BoltMetaDB

	mu   sync.Mutex
	last uint64 // guarded by mu
}

func (r *raftLog) Append(record []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.log.StoreLog(&raft.Log{Index: r.last + 1, Data: record})
	if err == nil {
		r.last++
	}
	return err
}

func (r *raftLog) AppendBatch(records [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	logs := make([]*raft.Log, len(records))
	entries := make([]raft.Log, len(records))
	for i, data := range records {
		entries[i] = raft.Log{Index: r.last + 1 + uint64(i), Data: data}
		logs[i] = &entries[i]
	}
	err := r.log.StoreLogs(logs)
	if err == nil {
		r.last += uint64(len(records))
	}
	return err
}

func (r *raftLog) Read(index uint64) ([]byte, error) {
	var entry raft.Log
	err := r.log.GetLog(index, &entry)
	return entry.Data, err
}

func (r *raftLog) Replay(each func([]byte) error) error {
	var entry raft.Log
	for i := uint64(1); i <= r.last; i++ {
		if err := r.log.GetLog(i, &entry); err != nil {
			return err
		}
		if err := each(entry.Data); err != nil {
			return err
		}
	}
	return nil
}

func (r *raftLog) Close() error { return errors.Join(r.log.Close(), r.meta.Close()) }

// closing joins the error of Close to an earlier one.
func closing(e engine, err *error) { *err = errors.Join(*err, e.Close()) }
