package machine_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/plinth-go/plinth/bench/machine"
)

func ExampleDescribe() {
	m, err := machine.Describe(context.Background(), os.TempDir())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.CPUs > 0, m.Fsync > 0)
	// Output: true true
}
