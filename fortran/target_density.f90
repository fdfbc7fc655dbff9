!> The target of a sampler: the negative log density at points of the unit cube.
module target_density
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: density

   !> A density on the open unit cube; several points are evaluated at a time, one per chain.
   type, abstract :: density
      integer :: n_dimensions = 0
   contains
      procedure(evaluate_points), deferred :: evaluate
   end type density

   abstract interface
      !> Cost (negative log density up to a constant) of each point, and its gradient if asked for.
      subroutine evaluate_points(self, points, cost, gradient)
         import :: density, dp
         implicit none (type, external)
         class(density), intent(inout) :: self
         real(dp), intent(in) :: points(:, :)                !< (dimension, point), each within (0, 1)
         real(dp), intent(out) :: cost(:)                    !< (point)
         real(dp), intent(out), optional :: gradient(:, :)   !< (dimension, point)
      end subroutine evaluate_points
   end interface

end module target_density
