using TinyLora.Adapters;

namespace TinyLora.Cli;

/// <summary>Adapters of the command line, opened in its order and closed together.</summary>
internal sealed class OpenAdapters : IDisposable
{
    public OpenAdapters(AdapterArgument[] arguments, bool allowOtherBase)
    {
        All = new LoraAdapter[arguments.Length];
        try
        {
            for (var i = 0; i < arguments.Length; i++) All[i] = arguments[i].Load(allowOtherBase);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public LoraAdapter[] All { get; }

    public void Dispose()
    {
        foreach (var adapter in All) adapter?.Dispose();
    }
}
