package wal_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

func Example() {
	l, err := wal.Open("queue", wal.Options{FS: vfs.NewMem()}) // without FS: the real disk
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	index, err := l.Append([]byte("debit Ann 10"))
	if err != nil {
		log.Fatal(err) // not acknowledged
	}
	fmt.Println("on disk as record", index)

	// All or none of a batch survives a crash.
	if _, err := l.AppendBatch([][]byte{[]byte("debit Bob 5"), []byte("credit Cid 5")}); err != nil {
		log.Fatal(err)
	}

	for record, err := range l.All(0) { // what a restart does: replay
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", record.Index, record.Data)
	}
	// Output:
	// on disk as record 1
	// 1 debit Ann 10
	// 2 debit Bob 5
	// 3 credit Cid 5
}

func ExampleTicket() {
	l, _ := wal.Open("queue", wal.Options{FS: vfs.NewMem()})
	defer l.Close()

	// Two batches get their places now and share one flush later.
	first := l.Submit([][]byte{[]byte("a"), []byte("b")})
	second := l.Submit([][]byte{[]byte("c")})

	index, err := second.Wait(context.Background())
	fmt.Println(index, err, "durable up to", l.DurableIndex())
	index, err = first.Wait(context.Background())
	fmt.Println(index, err, "after", l.Stats().Syncs, "flush")
	// Output:
	// 3 <nil> durable up to 3
	// 1 <nil> after 1 flush
}

func ExampleLog_TruncateFront() {
	l, _ := wal.Open("queue", wal.Options{FS: vfs.NewMem()})
	defer l.Close()
	for i := range 5 {
		l.Append(fmt.Appendf(nil, "step %d", i+1))
	}

	// A checkpoint covers records 1 to 3.
	if err := l.TruncateFront(4); err != nil {
		log.Fatal(err)
	}
	_, err := l.Read(3)
	fmt.Println(l.FirstIndex(), l.LastIndex(), errors.Is(err, wal.ErrNotFound))
	// Output: 4 5 true
}

func ExampleLog_Follow() {
	l, _ := wal.Open("queue", wal.Options{FS: vfs.NewMem()})
	defer l.Close()
	go l.Append([]byte("late news"))

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for record, err := range l.Follow(ctx, 1) {
		if err != nil {
			fmt.Println(err) // the end of a Follow is always an error
			break
		}
		fmt.Printf("%s\n", record.Data)
		cancel()
	}
	// Output:
	// late news
	// context canceled
}

func ExampleOptions() {
	// A log that loses the last records in a power cut, and says so, but none
	// when only the process dies.
	l, err := wal.Open("queue", wal.Options{
		FS:          vfs.NewMem(),
		Durability:  wal.Flushed,
		SegmentSize: 1 << 20,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.Append([]byte("x"))
	fmt.Println(l.LastIndex(), l.DurableIndex())
	l.Sync()
	fmt.Println(l.LastIndex(), l.DurableIndex())
	// Output:
	// 1 0
	// 1 1
}

func ExampleDurability() {
	for _, d := range []wal.Durability{wal.Synced, wal.Flushed, wal.Buffered} {
		l, _ := wal.Open(d.String(), wal.Options{FS: vfs.NewMem(), Durability: d})
		for range 3 {
			l.Append([]byte("x"))
		}
		s := l.Stats()
		fmt.Printf("%-8v %d records, %d writes, %d flushes\n", d, s.Records, s.Commits, s.Syncs)
		l.Close()
	}
	// Output:
	// synced   3 records, 3 writes, 3 flushes
	// flushed  3 records, 3 writes, 0 flushes
	// buffered 3 records, 0 writes, 0 flushes
}

func ExampleStats() {
	disk := vfs.NewMem()
	l, _ := wal.Open("queue", wal.Options{FS: disk})
	l.Append([]byte("done"))
	l.Append([]byte("half done"))

	// The power fails: of the second record, only a part is on the disk.
	crashed := disk.Clone()
	file, _ := crashed.Open("queue/0000000000000001.wal", vfs.ReadWrite, "")
	file.WriteAt(make([]byte, 4), 4096+32+24+4)

	l, _ = wal.Open("queue", wal.Options{FS: crashed})
	s := l.Stats()
	fmt.Println("torn ends:", s.TornTails, "records left:", l.LastIndex())
	// Output: torn ends: 1 records left: 1
}

func ExampleRecord() {
	l, _ := wal.Open("queue", wal.Options{FS: vfs.NewMem()})
	defer l.Close()
	l.AppendBatch([][]byte{[]byte("one"), []byte("two")})
	for record, err := range l.All(2) {
		fmt.Println(record.Index, string(record.Data), err)
	}
	// Output: 2 two <nil>
}

func ExampleRecords() {
	disk := vfs.NewMem()
	l, _ := wal.Open("queue", wal.Options{FS: disk})
	l.AppendBatch([][]byte{[]byte("one"), []byte("two")})
	l.Close()
	for record, err := range wal.Records("queue", wal.Options{FS: disk}) {
		fmt.Println(record.Index, string(record.Data), err)
	}
	// Output:
	// 1 one <nil>
	// 2 two <nil>
}

func ExampleVerify() {
	disk := vfs.NewMem()
	l, _ := wal.Open("queue", wal.Options{FS: disk})
	l.Append([]byte("precious"))
	l.Close()

	file, _ := disk.Open("queue/0000000000000001.wal", vfs.ReadWrite, "")
	file.WriteAt([]byte("P"), 4096+24)
	err := wal.Verify("queue", wal.Options{FS: disk})
	fmt.Println(errors.Is(err, wal.ErrCorrupt))
	fmt.Println(err)
	// Output:
	// true
	// wal: corrupt: queue/0000000000000001.wal at offset 4096: checksum mismatch, and the frame at offset 4128 was written when this was on disk
}
