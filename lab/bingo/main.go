package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

const version = "20231121T1537"

func main() {
	if os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "Didn't your mom teach you not to run anything incomprehensible from root?")
		os.Exit(1)
	}
	if err := commands().Execute(); err != nil { // cobra has printed it
		os.Exit(1)
	}
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:          "bingo",
		Short:        "Bingo",
		SilenceUsage: true,
		Run:          func(*cobra.Command, []string) { fmt.Println("Hello world") },
	}
	root.AddCommand(
		printCommand("version", "Print version", func() string { return version + "\n" }),
		printCommand("print_default_config", "Print default config",
			func() string { return defaultConfig().String() }),
		printCommand("print_current_config", "Print current config",
			func() string { return readConfig().String() }),
		runCommand("prepare_db", "Prepare database", prepare),
		runCommand("run_server", "Run server", serve),
	)
	return root
}

func printCommand(use, short string, text func() string) *cobra.Command {
	run := func(*cobra.Command, []string) { fmt.Print(text()) }
	return &cobra.Command{Use: use, Short: short, Run: run}
}

func runCommand(use, short string, work func() error) *cobra.Command {
	run := func(*cobra.Command, []string) error { return work() }
	return &cobra.Command{Use: use, Short: short, RunE: run}
}
