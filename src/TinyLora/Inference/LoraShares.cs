using TinyLora.Adapters;

namespace TinyLora.Inference;

/// <summary>
/// The A matrices of all adapters of all segments at a place, with the ranks of each that a worker computes: eight ranks are a unit, and all units side by side are
/// shared out, so that few matrices are cut.
/// </summary>
internal ref struct LoraShares
{
    private readonly Step _step;
    private readonly int _layer;
    private readonly LoraPlace _place;
    private readonly int _firstUnit;
    private readonly int _endUnit;
    private int _unit;
    private int _nextColumn;
    private int _nextAdapter;
    private int _segment;

    public LoraShares(StepContext context, int layer, LoraPlace place, int worker)
    {
        (_step, _layer, _place) = (context.Step, layer, place);
        var units = 0;
        for (var i = 0; i < _step.SegmentCount; i++)
        {
            var adapters = _step.Segment(i).Adapters;
            for (var j = 0; j < adapters.Count; j++) units += UnitsOf(adapters[j].Site(layer, place).Rank);
        }
        (_firstUnit, _endUnit) = context.Workers.Share(units, 1, worker);
    }

    public readonly ref readonly Segment Segment => ref _step.Segment(_segment);

    /// <summary>The adapter's number in its segment.</summary>
    public int Adapter { get; private set; }

    public readonly ref readonly LoraSite Site => ref Segment.Adapters[Adapter].Site(_layer, _place);

    /// <summary>Where its ranks begin in a row of t.</summary>
    public int Column { get; private set; }

    /// <summary>First rank of the worker's share, a multiple of 8.</summary>
    public int First { get; private set; }

    /// <summary>Rank to stop before.</summary>
    public int End { get; private set; }

    /// <summary>The next matrix of which the worker has a share.</summary>
    public bool MoveNext()
    {
        for (; _segment < _step.SegmentCount; _segment++, _nextAdapter = _nextColumn = 0)
        {
            while (_nextAdapter < Segment.Adapters.Count)
            {
                Adapter = _nextAdapter++;
                var rank = Site.Rank;
                First = Math.Max(0, 8 * (_firstUnit - _unit));
                End = Math.Min(rank, 8 * (_endUnit - _unit));
                Column = _nextColumn;
                _unit += UnitsOf(rank);
                _nextColumn += Activations.Stride(rank);
                if (First < End) return true;
            }
        }
        return false;
    }

    private static int UnitsOf(int rank) => (rank + 7) / 8;
}
