package load_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/plinth-go/plinth/bench/load"
)

// Four callers append records to something that takes one at a time.
func ExampleClosed() {
	var mu sync.Mutex
	var stored int

	res, err := load.Closed(context.Background(), load.Options{Workers: 4, Ops: 1000},
		func(i int) load.Worker[[]byte] {
			records := load.NewRecords(42, i, 128)
			return load.Worker[[]byte]{
				Next: records.Next,
				Do: func(record []byte) error {
					mu.Lock()
					defer mu.Unlock()
					stored += len(record)
					return nil
				},
			}
		})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Ops, "records,", stored, "bytes")
	fmt.Println("latencies counted:", res.Latency.Count())
	// Output:
	// 1000 records, 128000 bytes
	// latencies counted: 1000
}
