package breaker_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/breaker"
)

func ExampleBudget() {
	budget, err := breaker.NewBudget(breaker.BudgetConfig{Percent: 10, Burst: 2})
	if err != nil {
		log.Fatal(err)
	}
	firsts, retries := 0, 0
	for range 100 { // calls that all fail
		budget.Earn()
		firsts++
		for budget.Spend() {
			retries++
		}
	}
	fmt.Println(firsts, "first tries,", retries, "retries")
	// Output: 100 first tries, 11 retries
}

// Two clients of one service share a budget: together they add at most a tenth.
func ExampleNewBudget_shared() {
	budget, err := breaker.NewBudget(breaker.BudgetConfig{Burst: 1})
	if err != nil {
		log.Fatal(err)
	}
	read, err := breaker.NewRetry(breaker.RetryConfig{Base: 1, Budget: budget})
	if err != nil {
		log.Fatal(err)
	}
	write, err := breaker.NewRetry(breaker.RetryConfig{Base: 1, Budget: budget})
	if err != nil {
		log.Fatal(err)
	}
	down := func(context.Context) error { return errors.New("down") }
	fmt.Println(read.Run(context.Background(), down))
	fmt.Println(write.Run(context.Background(), down))
	// Output:
	// breaker: gave up after 2 tries: down (breaker: the retry budget is used up)
	// breaker: gave up after 1 try: down (breaker: the retry budget is used up)
}

// NoBudget is for tests, and for calls that are rare.
func ExampleNoBudget() {
	retry, err := breaker.NewRetry(breaker.RetryConfig{Attempts: 20, Base: 1, Budget: breaker.NoBudget()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(retry.Run(context.Background(), func(context.Context) error { return errors.New("down") }))
	// Output: breaker: gave up after 20 tries: down
}

// A service that fails once in a while may have a hundred retries at once.
func ExampleBudgetConfig() {
	budget, err := breaker.NewBudget(breaker.BudgetConfig{Percent: 5, Burst: 100})
	if err != nil {
		log.Fatal(err)
	}
	n := 0
	for budget.Spend() {
		n++
	}
	fmt.Println(n)

	_, err = breaker.NewBudget(breaker.BudgetConfig{Burst: -1})
	fmt.Println(err)
	// Output:
	// 100
	// breaker: NewBudget: a Burst of -1: want 1 to 10^9
}

func ExampleBudgetStats() {
	budget, err := breaker.NewBudget(breaker.BudgetConfig{Burst: 2})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		budget.Earn()
		budget.Spend()
	}
	fmt.Println(expvar.Func(func() any { return budget.Stats() }))
	// Output: {"tokens":0.2,"spent":2,"refused":1}
}
