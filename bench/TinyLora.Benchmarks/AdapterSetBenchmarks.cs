using BenchmarkDotNet.Attributes;
using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Benchmarks;

/// <summary>What changing a session's adapters costs beside the steps: a scale, another adapter, two for two others.</summary>
[MemoryDiagnoser]
public class AdapterSetBenchmarks
{
    private readonly LoraAdapter[] _adapters = new LoraAdapter[4];
    private Model _model = null!;
    private Session _session = null!;
    private int _turn;

    [GlobalSetup]
    public void Setup()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "TinyLora.sln"))) folder = folder.Parent ?? throw new DirectoryNotFoundException("TinyLora.sln is in no folder above.");
        var lantern = Path.Combine(folder.FullName, "samples", "lantern");
        _model = Model.Open(Path.Combine(lantern, "lantern-3m-Q8_0.gguf"), new ModelOptions { ThreadCount = 1 });
        _session = _model.CreateSession();
        string[] names = ["pirate", "bard", "grumpy", "commands"];
        for (var i = 0; i < names.Length; i++)
        {
            _adapters[i] = new LoraAdapter(Path.Combine(lantern, "adapters", names[i]));
            _session.Adapters.Add(_adapters[i]);
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _session.Dispose();
        _model.Dispose();
        foreach (var adapter in _adapters) adapter.Dispose();
    }

    [Benchmark]
    public void Scale() => _adapters[0].Scale = (++_turn & 1) * 0.5f;

    [Benchmark]
    public void Switch()
    {
        _session.Adapters.Clear();
        _session.Adapters.Add(_adapters[++_turn & 3]);
    }

    [Benchmark]
    public void SwitchTwo()
    {
        _session.Adapters.Clear();
        _session.Adapters.Add(_adapters[++_turn & 3]);
        _session.Adapters.Add(_adapters[(_turn + 1) & 3]);
    }
}
