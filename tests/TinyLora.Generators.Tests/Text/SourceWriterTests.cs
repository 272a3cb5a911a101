using System.Globalization;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Tests.Text;

public class SourceWriterTests
{
    [Fact]
    public void Blocks_indent_and_empty_lines_have_no_spaces()
    {
        var writer = new SourceWriter();
        writer.Open("class A");
        using (writer.Block($"void M{1}()"))
        {
            writer.Line("a();\r\n\n  b();").Line();
        }

        writer.Close(";");
        Assert.Equal("class A\n{\n    void M1()\n    {\n        a();\n\n          b();\n\n    }\n};\n", writer.ToString());
    }

    [Fact]
    public void Numbers_are_written_by_the_invariant_culture()
    {
        var culture = CultureInfo.CurrentCulture;
        var other = (CultureInfo)culture.Clone();
        other.NumberFormat.NegativeSign = "~";
        other.NumberFormat.NumberDecimalSeparator = ",";
        try
        {
            CultureInfo.CurrentCulture = other;
            Assert.Equal("-1 -2.5 true 0x0F x Q8_0\n", new SourceWriter().Line($"{-1} {-2.5} {true} 0x{15:X2} {'x'} {Specs.WeightFormat.Q8_0}").ToString());
            Assert.Equal("-9.99999975E-06f 0.10000000000000001d", Literal.Of(-1e-5f) + " " + Literal.Of(0.1));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void Unbalanced_blocks_are_refused()
    {
        Assert.Throws<InvalidOperationException>(() => new SourceWriter().Close());
        Assert.Throws<InvalidOperationException>(() => new SourceWriter().Open().ToString());
    }
}
