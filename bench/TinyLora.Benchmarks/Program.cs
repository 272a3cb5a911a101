using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using TinyLora.Benchmarks;

// In this process: the kernels are loops of microseconds that tiered compilation settles in the warm-up, and a build of every benchmark
// would take longer than the measurement.
var config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.DontLogOutput))
    .AddColumn(RateColumn.WeightBytes, RateColumn.MultiplyAdds);
BenchmarkSwitcher.FromAssembly(typeof(IProduct).Assembly).Run(args, config);
